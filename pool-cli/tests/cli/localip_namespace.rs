//! A plan that is carried out, in a network namespace of its own.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command};

use serde_json::Value;

use super::support::Site;

/// Whether a user may make a namespace of users and networks; if not, prints why.
fn may_unshare(test: &str) -> bool {
    let may = Command::new("unshare")
        .args(["-Urn", "ip", "link"])
        .output();
    let reason = match may {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    // Not by a macro, whose output the test runner keeps to itself.
    let line = format!("SKIP {test}: no network namespace: {reason}\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr");
    false
}

/// Runs a shell script as root of a namespace, `$POOL` being the binary; what it printed. `None` where there may be none.
fn in_namespace(test: &str, script: &str) -> Option<String> {
    if !may_unshare(test) {
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

/// Set in the process that is inside.
const INSIDE: &str = "LOCALIP_TEST_INSIDE";

/// Runs the test of this name again as root of a namespace, in which loopback is up; true if this is inside.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        ip("link set lo up");
        return true;
    }
    if may_unshare(test) {
        let this = std::env::current_exe().expect("this file");
        let status = Command::new("unshare")
            .arg("-Urn")
            .arg(this)
            .args(["--exact", test, "--nocapture"])
            .env(INSIDE, "1")
            .status();
        assert!(status.expect("unshare runs").success(), "{test} failed");
    }
    false
}

fn ip(args: &str) {
    let output = Command::new("ip").args(args.split_whitespace()).output();
    let output = output.expect("ip runs");
    assert!(output.status.success(), "ip {args}: {output:?}");
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
        "$POOL" localip plan 2001:db8::4/126
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
    let again = said.contains("# Nothing is to be done here.\n");
    assert!(again, "it knows what it has led to: {said}");
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

#[test]
fn what_was_applied_is_undone_and_nothing_else() {
    // One proxy and one setting are there before, and one setting is changed by somebody else afterwards.
    let script = r#"
        ip link set lo up
        ip link add a0 type veth peer name b0
        # Addresses that the kernel makes by itself would appear a second or two later, as somebody else's change.
        ip link set a0 addrgenmode none
        ip link set b0 addrgenmode none
        ip link set a0 up
        ip link set b0 up
        ip address add 2001:db8::1/64 dev a0 nodad
        # The kernel adds an address's route once it has noticed the link: as late as a second from now.
        for route in ::1 2001:db8::1; do
            until ip -6 route show table local type local | grep -q "^local $route "; do sleep 0.05; done
        done
        echo 1 > /proc/sys/net/ipv6/conf/a0/proxy_ndp
        ip -6 neigh add proxy 2001:db8::5 dev a0
        state() {
            ip -6 route show table local type local
            ip -6 neigh show proxy
            cat /proc/sys/net/ipv6/conf/a0/proxy_ndp /proc/sys/net/ipv6/conf/a0/forwarding
        }
        plan() { "$POOL" localip plan 2001:db8::4/126 --journal "$DIR/journal" "$@"; }
        state > "$DIR/before"
        echo no | plan --apply || echo "exit $?"
        state | diff "$DIR/before" - && echo "unchanged"
        echo yes | plan --apply
        plan --apply --yes && echo "applied twice"
        plan | head -n 2
        "$POOL" localip check 2001:db8::4/126 --json
        echo 0 > /proc/sys/net/ipv6/conf/a0/forwarding
        plan --undo
        state | diff "$DIR/before" - && echo "undone"
        plan --undo
        ls "$DIR"
    "#;
    let dir = tempfile::tempdir().expect("a directory");
    let script = format!("DIR={}\n{script}", dir.path().display());
    let Some(said) = in_namespace("what_was_applied", &script) else {
        return;
    };
    let mut rest = said.as_str();
    for part in [
        "exit 1\nunchanged\n",
        "done: ip -6 route add local 2001:db8::4/126 dev lo\n",
        "done: sysctl -w net.ipv6.conf.a0.forwarding=1\n",
        "done: ip -6 neigh add proxy 2001:db8::4 dev a0\n",
        "applied twice\n",
        "# Nothing is to be done here.\n",
        r#""ok":3,"failed":0"#,
        "done: ip -6 neigh del proxy 2001:db8::7 dev a0\n",
        "left as it is now, for it changed since: sysctl -w net.ipv6.conf.a0.forwarding=1\n",
        "done: ip -6 route del local 2001:db8::4/126 dev lo\n",
        "undone\nbefore\n",
    ] {
        let found = rest.split_once(part);
        rest = found
            .unwrap_or_else(|| panic!("{part:?} is not in {rest:?} of {said}"))
            .1;
    }
    assert!(
        !said.contains("proxy 2001:db8::5"),
        "it was there before: {said}"
    );
}

#[test]
fn without_the_right_to_nothing_is_applied_and_the_exit_code_is_3() {
    let script = r#"
        ip link set lo up
        unshare -U "$POOL" localip plan 2001:db8:1::/64 --apply --yes --journal "$DIR/journal" 2>&1 || echo "exit $?"
        "$POOL" localip plan 2001:db8:1::/64 | grep -c '^ip -6 route add'
    "#;
    let dir = tempfile::tempdir().expect("a directory");
    let script = format!("DIR={}\nchmod 777 $DIR\n{script}", dir.path().display());
    let Some(said) = in_namespace("without_the_right", &script) else {
        return;
    };
    assert!(
        said.contains("not permitted\nhint: run it as root\n"),
        "{said}"
    );
    assert!(said.ends_with("exit 3\n1\n"), "{said}");
}

/// A `pool fetch` that is fed as it goes.
struct Fetching {
    child: Child,
    input: ChildStdin,
    records: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Fetching {
    fn start(site: &Site, args: &[&str]) -> Self {
        let fetch = site.fetch().args(&["-i", "-", "--jsonl", "-"]).args(args);
        let mut child = fetch.env("POOL_LOCALIP__USE", "interfaces").start();
        let input = child.stdin.take().expect("piped");
        let records = BufReader::new(child.stdout.take().expect("piped")).lines();
        let url = site.url("/");
        Self {
            child,
            input,
            records,
            url,
        }
    }

    /// Fetches so many at once; the addresses that they came from.
    fn batch(&mut self, requests: usize) -> BTreeSet<String> {
        let lines = format!("{}\n", self.url).repeat(requests);
        self.input.write_all(lines.as_bytes()).expect("it reads");
        let sources = (0..requests).map(|_| {
            let line = self.records.next().expect("a record").expect("it writes");
            let record: Value = serde_json::from_str(&line).expect(&line);
            assert_eq!(record["status"], 200, "{line}");
            let source = record["conn"]["source"].as_str().expect(&line);
            source.to_owned()
        });
        sources.collect()
    }

    /// Fetches batches until one is as it should be.
    fn until(&mut self, is_so: impl Fn(&BTreeSet<String>) -> bool) {
        let mut last = BTreeSet::new();
        for _ in 0..500 {
            last = self.batch(16);
            if is_so(&last) {
                return;
            }
        }
        panic!("it never came to that; last {last:?}");
    }

    fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().expect("it ends").success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_come_and_go_under_a_fetch_and_no_request_is_lost() {
    let test = "localip_namespace::addresses_come_and_go_under_a_fetch_and_no_request_is_lost";
    if !inside(test) {
        return;
    }
    for i in 1..=4 {
        ip(&format!("address add 10.9.0.{i}/32 dev lo"));
    }
    let site = Site::one().await;
    let mut fetching = Fetching::start(
        &site,
        &["-c", "8", "--max-conns-per-host", "8", "--http1.1"],
    );
    let set = |hosts: &[u8]| -> BTreeSet<String> {
        hosts.iter().map(|i| format!("10.9.0.{i}")).collect()
    };
    let all = set(&[1, 2, 3, 4]);
    fetching.until(|sources| *sources == all);

    ip("address del 10.9.0.2/32 dev lo");
    fetching.until(|sources| !sources.contains("10.9.0.2"));
    for _ in 0..20 {
        let sources = fetching.batch(16);
        assert!(sources.is_subset(&set(&[1, 3, 4])), "{sources:?}");
    }

    ip("address add 10.9.0.5/32 dev lo");
    ip("address del 10.9.0.1/32 dev lo");
    ip("address del 10.9.0.3/32 dev lo");
    fetching.until(|sources| *sources == set(&[4, 5]));
    fetching.end();
    assert_eq!(site.fleet.ledger().sources().len(), 5);
}
