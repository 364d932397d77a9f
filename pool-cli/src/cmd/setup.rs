//! From flags and configuration to a pool.

mod access;
mod bans;
mod tls;

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;

use http::Uri;
#[cfg(feature = "hickory")]
use pool_core::{BoxError, DnsResolver, Merged};
use pool_core::{
    BuildError, Config, Observer, Pool, Registry, ResolveEntry, Resolver, StaticResolver,
    SystemResolver,
};
use pool_localip::{AddrSet, Cooldown, LocalAddrAllocator, SourceSpec};

use super::url::parse_url;
use crate::args::NetworkArgs;
use crate::config::Effective;
use crate::exit::{Failure, chain};
use crate::output::note;
use crate::rules::keeper::Keeper;

/// The pool that these flags describe, on top of the configuration, and what watches the files of rules that they name.
///
/// # Errors
///
/// Exit 2 for certificates and rules that cannot be read and policies that refuse; exit 3 for a source address that this machine
/// does not have.
pub(super) fn pool(
    args: &NetworkArgs,
    effective: Effective,
    registry: Registry,
    observer: Option<Arc<dyn Observer>>,
) -> Result<(Pool, Option<Keeper>), Failure> {
    let Effective {
        config,
        profiles,
        rule_files,
        ..
    } = effective;
    let sources = sources(args, &config, &registry)?;
    // What is to be bound freely need not be there.
    if !config.dial.freebind {
        for source in sources.sources() {
            check_source(source)?;
        }
    }
    let resolver = StaticResolver::new(names(args)?);
    for entry in &args.resolve {
        resolver.insert(entry.clone());
    }
    let mut builder = Pool::builder()
        .local_addrs(sources)
        .resolver(Arc::new(resolver));
    if args.bans.after.is_some() && config.outlier.is_empty() {
        return Err(Failure::usage(
            "--ban-after counts ejections, and the configuration has no outlier policy",
            "add an [[outlier]], such as use = \"consecutive-failures\"; `pool plugins list` prints them",
        ));
    }
    let mut keeper = Keeper::default();
    for list in access::configured(rule_files, &mut keeper)? {
        builder = builder.access(list);
    }
    if let Some(access) = access::access(args, &mut keeper)? {
        builder = builder.access(access.list);
        if let Some(bans) = access.bans {
            builder = builder.observer(bans);
        }
    }
    if let Some(observer) = observer {
        builder = builder.observer(observer);
    }
    if let Some(tls) = tls::connector(args, &config)? {
        builder = builder.tls(tls);
    }
    for (_, profile) in &profiles {
        builder = builder.profile(profile.clone());
    }
    let built = builder.config(config).registry(registry).build();
    let pool = built.map_err(|error| {
        let hint = match error {
            BuildError::Profile { .. } => {
                "`pool fingerprint verify` shows every field; a build with the feature boring comes nearer to more clients"
            }
            _ => "`pool config show` prints the configuration, `pool plugins list` the policies",
        };
        Failure::usage(format!("cannot make the pool: {}", chain(&error)), hint)
    })?;
    let plans = pool.plans();
    for (given, profile) in &profiles {
        let plan = plans.iter().find(|plan| plan.profile_id() == &profile.id);
        if let Some(plan) = plan.filter(|plan| !plan.is_faithful()) {
            note(&format!(
                "warning: the hello is not that of {}: grade {}; its headers are not sent (`pool fingerprint verify {given}` says more)",
                profile.id,
                plan.fidelity(),
            ));
        }
    }
    Ok((pool, keeper.has_work().then_some(keeper)))
}

/// Who is asked for the addresses of a name that no flag has.
#[cfg(not(feature = "hickory"))]
fn names(_: &NetworkArgs) -> Result<Arc<dyn Resolver>, Failure> {
    Ok(Arc::new(SystemResolver))
}

/// Who is asked for the addresses of a name that no flag has: the system, or each of the DNS servers of the flag, because each may know
/// others.
#[cfg(feature = "hickory")]
fn names(args: &NetworkArgs) -> Result<Arc<dyn Resolver>, Failure> {
    if args.dns_servers.is_empty() {
        return Ok(Arc::new(SystemResolver));
    }
    let servers = args.dns_servers.iter().map(|&server| {
        let built = DnsResolver::builder([server]).build();
        built.map(|dns| Arc::new(dns) as Arc<dyn Resolver>)
    });
    let servers = servers.collect::<Result<Vec<_>, BoxError>>();
    let servers = servers.map_err(|error| {
        Failure::environment(
            format!("cannot ask DNS servers: {}", chain(error.as_ref())),
            "leave --dns-servers out to have the system asked",
        )
    })?;
    Ok(Arc::new(Merged::new(servers)))
}

/// Whether every target is known, without a lookup, to be on this machine or a private network.
pub(super) fn all_private<'a>(
    urls: impl IntoIterator<Item = &'a String>,
    by_hand: &[ResolveEntry],
) -> bool {
    // What is malformed is never connected to.
    urls.into_iter()
        .filter_map(|url| parse_url(url).ok())
        .all(|uri| is_private_target(&uri, by_hand))
}

fn is_private_target(uri: &Uri, by_hand: &[ResolveEntry]) -> bool {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let default_port = if uri.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    let port = uri.port_u16().unwrap_or(default_port);
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    // The last entry for a host counts, as in the resolver.
    let mut latest_first = by_hand.iter().rev();
    if let Some(entry) = latest_first.find(|e| e.host == name && e.port == port) {
        return entry.addrs.iter().copied().all(is_private);
    }
    match host.parse() {
        Ok(addr) => is_private(addr),
        Err(_) => name == "localhost",
    }
}

fn is_private(addr: IpAddr) -> bool {
    match addr.to_canonical() {
        IpAddr::V4(addr) => addr.is_loopback() || addr.is_private() || addr.is_link_local(),
        IpAddr::V6(addr) => {
            addr.is_loopback() || addr.is_unique_local() || addr.is_unicast_link_local()
        }
    }
}

fn sources(
    args: &NetworkArgs,
    config: &Config,
    registry: &Registry,
) -> Result<Arc<dyn LocalAddrAllocator>, Failure> {
    if args.source.is_empty() {
        // The configuration was checked, and this policy with it.
        return registry.build_localip(&config.localip).map_err(|error| {
            Failure::usage(
                chain(&error),
                "`pool plugins list` prints what [localip] takes",
            )
        });
    }
    for source in &args.source {
        if let SourceSpec::Prefix(prefix) = source
            && prefix.has_host_bits()
        {
            note(&format!(
                "warning: a source has host bits set; it stands for all of {prefix}"
            ));
        }
    }
    match AddrSet::new(args.source.iter().copied()) {
        // One that runs out of ports is left alone for a moment.
        Ok(set) => Ok(Arc::new(Cooldown::new(set))),
        Err(error) => Err(Failure::usage(
            error.to_string(),
            "give addresses that connections can come from",
        )),
    }
}

/// Binds the address for a moment, as a connection would.
fn check_source(source: IpAddr) -> Result<(), Failure> {
    UdpSocket::bind((source, 0)).map(drop).map_err(|error| {
        Failure::environment(
            format!("cannot use {source} as a source: {error}"),
            "give an address that this machine has (`pool localip list`), or --freebind for a prefix that is routed here",
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn private(args: &[&str]) -> bool {
        let all = ["pool", "fetch"].iter().chain(args);
        match Args::try_parse_from(all)
            .unwrap_or_else(|e| panic!("{e}"))
            .command
        {
            Command::Fetch(args) => all_private(&args.urls, &args.network.resolve),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn only_targets_that_are_known_to_be_near_are_private() {
        for near in [
            &["http://127.0.0.1/"][..],
            &["https://[::1]:8443/", "http://localhost/"],
            &[
                "https://10.1.2.3/",
                "https://192.168.0.1/",
                "https://[fd00::1]/",
            ],
            &[
                "https://a.test/",
                "--resolve",
                "a.test:443:127.0.1.1,127.0.1.2",
            ],
        ] {
            assert!(private(near), "{near:?}");
        }
        for far in [
            &["https://a.test/"][..],
            &["https://127.0.0.1/", "https://192.0.2.1/"],
            &[
                "https://a.test/",
                "--resolve",
                "a.test:443:127.0.1.1,192.0.2.1",
            ],
            &["https://a.test:8443/", "--resolve", "a.test:443:127.0.1.1"],
        ] {
            assert!(!private(far), "{far:?}");
        }
    }
}
