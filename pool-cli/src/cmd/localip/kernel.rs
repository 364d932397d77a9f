//! The kernel's settings, as `sysctl` shows them.

use std::path::PathBuf;

use crate::exit::Failure;

/// The value of a setting such as `net.ipv6.conf.eth0.proxy_ndp`, its parts apart, for a name of an interface may have a dot in it;
/// `None` if there is none of that name.
pub(super) fn sysctl(parts: &[&str]) -> Option<String> {
    let mut path = PathBuf::from("/proc/sys");
    path.extend(parts);
    let value = std::fs::read_to_string(path).ok()?;
    Some(value.trim().to_owned())
}

/// Checks that this machine speaks IPv6.
///
/// # Errors
///
/// Exit 3: the kernel has none, or it is switched off.
pub(super) fn check_ipv6() -> Result<(), Failure> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let disabled = |interface| sysctl(&["net", "ipv6", "conf", interface, "disable_ipv6"]);
    match (disabled("all"), disabled("lo")) {
        (None, _) => Err(no_ipv6()),
        (Some(all), Some(lo)) if all == "1" && lo == "1" => Err(Failure::environment(
            "IPv6 is switched off on this machine",
            "switch it on with `sysctl -w net.ipv6.conf.all.disable_ipv6=0`; `pool localip plan` prints what else is needed",
        )),
        _ => Ok(()),
    }
}

/// The kernel has no IPv6 at all.
pub(super) fn no_ipv6() -> Failure {
    Failure::environment(
        "this kernel has no IPv6",
        "look for ipv6.disable=1 among the kernel's boot parameters",
    )
}
