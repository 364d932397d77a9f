//! A plan that is carried out, in a network namespace of its own.

#![cfg(target_os = "linux")]

use std::process::Command;

/// Runs a shell script as root of a namespace of users and networks, `$POOL` being the binary; what it printed.
///
/// `None`, with a line of why, where a user may make no namespace.
fn in_namespace(test: &str, script: &str) -> Option<String> {
    let may = Command::new("unshare")
        .args(["-Urn", "ip", "link"])
        .output();
    let reason = match may {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(reason) = reason {
        println!("SKIP {test}: no network namespace: {reason}");
        return None;
    }
    let output = Command::new("unshare")
        .args(["-Urn", "sh", "-euc", script])
        .env("POOL", env!("CARGO_BIN_EXE_pool"))
        .output()
        .expect("unshare runs");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    Some(stdout)
}

#[test]
fn a_routed_prefix_works_once_its_plan_is_carried_out_and_the_plan_is_then_empty() {
    let script = r#"
        ip link set lo up
        check() { "$POOL" localip check 2001:db8:1::/64 --sample 20 --timeout "$1" || echo "exit $?"; }
        check 250ms
        "$POOL" localip plan 2001:db8:1::/64 | sh
        check 5
        "$POOL" localip plan 2001:db8:1::/64
        "$POOL" localip list --json
    "#;
    let Some(said) = in_namespace("a_routed_prefix", script) else {
        return;
    };
    let (before, after) = said.split_once("exit 1\n").expect("before, nothing works");
    assert!(before.contains("0 of 20 addresses"), "{said}");
    assert!(after.contains("20 of 20 addresses"), "{said}");
    assert!(after.contains("# Nothing is to be done here.\n"), "{said}");
    assert!(
        after.contains(r#""prefix":"2001:db8:1::/64","interface":"lo""#),
        "{said}"
    );
}

#[test]
fn a_neighbour_reaches_every_address_of_a_small_prefix_of_the_link() {
    // The neighbour is a namespace of its own, at the other end of a pair of interfaces.
    let script = r#"
        ip link set lo up
        unshare -n sleep 60 & there=$!
        while [ "$(readlink /proc/$there/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do :; done
        neighbour() { nsenter -t $there -n "$@"; }
        ip link add a0 type veth peer name b0
        ip link set b0 netns $there
        ip link set a0 up
        neighbour ip link set lo up
        neighbour ip link set b0 up
        ip address add 2001:db8::1/64 dev a0 nodad
        neighbour ip address add 2001:db8::2/64 dev b0 nodad
        ip address add 192.0.2.1/24 dev a0
        neighbour ip address add 192.0.2.2/24 dev b0
        reach() {
            neighbour "$POOL" localip check "$1" --target "$2" --timeout "$3" --json || true
        }
        reach 2001:db8::2 [2001:db8::5]:9 250ms
        reach 192.0.2.2 192.0.2.66:9 250ms
        "$POOL" localip plan 2001:db8::4/126 | sh
        "$POOL" localip plan 192.0.2.64/30 | sh
        reach 2001:db8::2 [2001:db8::5]:9 20
        reach 2001:db8::2 [2001:db8::7]:9 20
        reach 192.0.2.2 192.0.2.66:9 20
        kill $there
    "#;
    let Some(said) = in_namespace("a_neighbour", script) else {
        return;
    };
    let kinds: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| {
            let record = line.split_once(r#""kind":""#).expect(line).1;
            record.split('"').next().expect("a word")
        })
        .collect();
    // Nobody listens there: who answers that has been reached.
    let expected = ["timeout", "timeout", "refused", "refused", "refused"];
    assert_eq!(kinds, expected, "{said}");
}

#[test]
fn without_ipv6_a_plan_switches_it_on_and_a_check_says_so_with_exit_3() {
    let script = r#"
        ip link set lo up
        echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
        "$POOL" localip check 2001:db8:1::/64 2>&1 || echo "exit $?"
        "$POOL" localip plan 2001:db8:1::/64 > plan
        cat plan
        grep -v '^#' plan > commands
        rm plan
        echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6
        grep -v sysctl commands | sh
        rm commands
        "$POOL" localip check 2001:db8:1::/64 --sample 3
    "#;
    let dir = tempfile::tempdir().expect("a directory");
    let script = format!("cd {}\n{script}", dir.path().display());
    let Some(said) = in_namespace("without_ipv6", &script) else {
        return;
    };
    assert!(said.contains("error: IPv6 is switched off"), "{said}");
    assert!(said.contains("exit 3\n"), "{said}");
    assert!(
        said.contains("\nsysctl -w net.ipv6.conf.all.disable_ipv6=0\n"),
        "{said}"
    );
    assert!(said.contains("3 of 3 addresses"), "{said}");
}
