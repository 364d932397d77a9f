//! Sources of this machine, listed, planned and checked. Nothing here needs a right, or changes anything.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::thread;

use serde_json::Value;

use super::support::Pool;

fn check(args: &[&str]) -> Pool {
    Pool::new(&["localip", "check"]).args(args)
}

fn plan(args: &[&str]) -> Pool {
    Pool::new(&["localip", "plan"]).args(args)
}

fn array<'a>(record: &'a Value, name: &str) -> &'a [Value] {
    let array = record[name].as_array();
    array.unwrap_or_else(|| panic!("{name} of {record}"))
}

#[cfg(target_os = "linux")]
#[test]
fn every_address_is_a_source_or_has_a_reason_against_it() {
    let list = Pool::new(&["localip", "list"]);
    let record = list.args(&["--json"]).run().code(0).record();
    let localhost = array(&record, "unused")
        .iter()
        .find(|it| it["addr"] == "127.0.0.1")
        .expect("every Linux has it");
    assert_eq!(localhost["interface"], "lo");
    assert_eq!(localhost["why"]["code"], "scope");
    assert!(
        localhost["why"]["message"]
            .as_str()
            .is_some_and(|why| why.contains("host"))
    );
    for source in array(&record, "sources") {
        assert_eq!(source["scope"], "global", "{source}");
        assert_eq!(source["deprecated"], false, "{source}");
    }
    let whole = array(&record, "prefixes");
    assert!(
        whole.iter().any(|it| it["prefix"] == "127.0.0.0/8"),
        "{record}"
    );

    let text = Pool::new(&["localip", "list"]).run().code(0).stdout;
    assert!(text.starts_with("sources: "), "{text}");
    assert!(text.contains("\n  127.0.0.0/8 "), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_prefix_of_loopback_works_as_it_is() {
    let record = plan(&["127.0.2.0/29", "--json"]).run().code(0).record();
    assert_eq!(record["arrives"], "loopback");
    assert!(
        array(&record, "steps")
            .iter()
            .all(|step| step["state"] == "there"),
        "{record}"
    );

    let record = check(&["127.0.2.0/29", "--json"]).run().code(0).record();
    assert_eq!((&record["ok"], &record["failed"]), (&8.into(), &0.into()));
    let addrs: Vec<String> = (0..8).map(|i| format!("127.0.2.{i}")).collect();
    let rows = array(&record, "addresses");
    let seen: Vec<&str> = rows.iter().filter_map(|row| row["seen"].as_str()).collect();
    assert_eq!(seen, addrs);
    assert!(
        rows.iter()
            .all(|row| row["ok"] == true && row["addr"] == row["seen"]),
        "{record}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_sample_is_drawn_again_by_its_seed() {
    let sample = |seed: &str| {
        let checked = check(&["127.0.0.0/9", "--sample", "5", "--seed", seed, "--json"]).run();
        let record = checked.code(0).record();
        assert_eq!(record["sampled"], 5);
        let rows = array(&record, "addresses").iter();
        let addrs: Vec<String> = rows.map(|row| row["addr"].to_string()).collect();
        addrs
    };
    assert_eq!(sample("1"), sample("1"));
    assert_ne!(sample("1"), sample("2"));
    let said = check(&["127.0.0.0/9", "--sample", "2", "--seed", "7"])
        .run()
        .code(0);
    assert!(
        said.stdout.contains("2 of 2 addresses of 127.0.0.0/9"),
        "{said:?}"
    );
    assert!(said.stdout.contains("--seed 7"), "{said:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_is_another_machines_fails_with_a_reason() {
    // Documentation's own (RFC 5737): no machine has it.
    let checked = check(&["198.51.100.7", "--timeout", "250ms", "--json"])
        .run()
        .code(1);
    let record = checked.record();
    let row = &array(&record, "addresses")[0];
    assert_eq!((&row["ok"], &row["seen"]), (&false.into(), &Value::Null));
    assert_eq!(row["error"]["kind"], "unreachable", "{row}");
    let said = check(&["198.51.100.7", "--timeout", "250ms"]).run().code(1);
    assert!(said.stdout.contains("failed"), "{said:?}");
    assert!(
        said.stdout.contains("`pool localip plan 198.51.100.7/32`"),
        "{said:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_where_nobody_listens_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = listener.local_addr().expect("it has one").to_string();
    let record = check(&["127.0.2.1", "--target", &target, "--json"])
        .run()
        .code(0)
        .record();
    assert_eq!(array(&record, "addresses")[0]["seen"], Value::Null);
    drop(listener);
    let record = check(&["127.0.2.1", "--target", &target, "--json"])
        .run()
        .code(1)
        .record();
    assert_eq!(array(&record, "addresses")[0]["error"]["kind"], "refused");
}

/// A server of so many requests that answers each with what `says` makes of the address it saw.
fn page(requests: usize, says: fn(IpAddr) -> String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("it has one");
    thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, peer) = listener.accept().expect("a connection");
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).expect("a request");
            let body = says(peer.ip());
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream
                .write_all(format!("{head}{body}").as_bytes())
                .expect("an answer");
        }
    });
    addr
}

#[cfg(target_os = "linux")]
#[test]
fn a_page_says_what_its_server_saw_and_another_address_is_a_failure() {
    let honest = page(4, |addr| format!("{{\"ip\": \"{addr}\"}}"));
    let target = format!("http://{honest}/");
    let record = check(&["127.0.2.0/30", "--target", &target, "--json"])
        .run()
        .code(0)
        .record();
    let rows = array(&record, "addresses");
    assert!(
        rows.iter().all(|row| row["seen"] == row["addr"]),
        "{record}"
    );
    assert_eq!(record["target"], target);

    let translated = page(1, |_| "203.0.113.1\n".to_owned());
    let target = format!("http://{translated}/");
    let record = check(&["127.0.2.1", "--target", &target, "--json"])
        .run()
        .code(1)
        .record();
    let row = &array(&record, "addresses")[0];
    assert_eq!(
        (&row["seen"], &row["error"]["kind"]),
        (&"203.0.113.1".into(), &"other_source".into())
    );
}

#[test]
fn what_makes_no_sense_exits_with_2_and_is_named() {
    for (what, named) in [
        ("", "missing"),
        ("localhost", "not an IP address"),
        ("127.0.2.0/33", "prefix length"),
        ("::ffff:192.0.2.0/120", "IPv4"),
        ("ff02::/16", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("fe80::7", "of one link"),
    ] {
        for command in ["plan", "check"] {
            let ended = Pool::new(&["localip", command, what]).run().code(2);
            ended.says(named).says("hint: ");
        }
    }
    check(&["127.0.2.1", "--target", "nowhere"])
        .run()
        .code(2)
        .says("HOST:PORT");
    check(&["127.0.2.1", "--target", "[::1]:80"])
        .run()
        .code(2)
        .says("no IPv4 address");
    check(&["127.0.2.1", "--sample", "0"]).run().code(2);
    check(&["127.0.0.0/8", "--sample", "5000"])
        .run()
        .code(2)
        .says("4096");
}

#[cfg(target_os = "linux")]
#[test]
fn a_plan_that_cannot_be_meant_exits_with_2() {
    plan(&["0.0.0.0/0"]).run().code(2).says("every address");
    plan(&["::/0"]).run().code(2).says("every address");
    plan(&["127.0.2.0/29", "--yes"]).run().code(2);
    plan(&["127.0.2.0/29", "--apply", "--undo"]).run().code(2);
    let unknown = plan(&["198.51.100.0/24", "--interface", "nosuch0"])
        .run()
        .code(2);
    unknown.says("nosuch0").says("lo");
}

#[cfg(target_os = "linux")]
#[test]
fn host_bits_are_taken_with_a_warning_that_names_what_is_meant() {
    let ended = check(&["127.0.2.5/30"]).run().code(0);
    assert!(
        ended.stdout.contains("4 of 4 addresses of 127.0.2.4/30"),
        "{ended:?}"
    );
    ended.says("warning: 127.0.2.5/30 has host bits set; taken as 127.0.2.4/30");
    let record = plan(&["127.0.2.5/30", "--json"]).run().code(0).record();
    assert_eq!(
        (&record["prefix"], &record["given"]),
        (&"127.0.2.4/30".into(), &"127.0.2.5/30".into())
    );
}

#[cfg(target_os = "linux")]
#[test]
fn addresses_of_interfaces_are_an_allocator_of_a_configuration() {
    let listed = Pool::new(&["plugins", "list", "--json"])
        .run()
        .code(0)
        .record();
    let plugins = array(&listed, "plugins");
    let found = plugins
        .iter()
        .find(|it| it["section"] == "localip" && it["name"] == "interfaces");
    let options = array(found.expect("it is listed"), "options");
    assert!(
        options.iter().any(|option| option["key"] == "temporary"),
        "{listed}"
    );

    let show = |interface: &str| {
        Pool::new(&["config", "show"])
            .env("POOL_LOCALIP__USE", "interfaces")
            .env("POOL_LOCALIP__INTERFACE", interface)
            .run()
    };
    show("lo").code(0);
    show("nosuch0").code(2).says("nosuch0");
}
