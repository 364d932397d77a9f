//! Ctrl-C once drains, twice stops.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::Site;

fn interrupt(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().try_into().expect("a pid is positive"));
    kill(pid, signal).expect("it has not ended");
}

fn next_line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("text");
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_interrupt_takes_no_more_input_and_ends_with_a_summary() {
    let site = Site::one().await;
    let mut child = site.fetch().args(&["-i", "-"]).start();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", site.url("/1")).unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    assert!(next_line(&mut stdout).contains("/1"));
    // Stdin stays open: only the interrupt can end it.
    interrupt(&child, Signal::SIGINT);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(
        stderr.contains("interrupted") && stderr.contains("1 ok · 0 failed"),
        "{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_in_the_drain_time_is_cut_and_told() {
    let site = Site::one().await;
    site.fleet
        .origin(0)
        .script(|script| script.response_delay = std::time::Duration::MAX / 4);
    let mut child = site
        .fetch()
        .args(&["-i", "-", "--jsonl", "-"])
        .env("POOL_TIMEOUTS__DRAIN", "10ms")
        .start();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", site.url("/never")).unwrap();
    site.fleet
        .ledger()
        .wait_until(|seen| seen.arrived() == 1)
        .await;
    interrupt(&child, Signal::SIGTERM);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let stdout = String::from_utf8_lossy(&ended.stdout);
    assert!(
        stdout.contains("/never") && stdout.contains("\"error\""),
        "{stdout}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_interrupt_stops_at_once() {
    let site = Site::one().await;
    site.fleet
        .origin(0)
        .script(|script| script.response_delay = std::time::Duration::MAX / 4);
    let mut child = site
        .fetch()
        .args(&["-i", "-"])
        .env("POOL_TIMEOUTS__DRAIN", "never")
        .start();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", site.url("/never")).unwrap();
    site.fleet
        .ledger()
        .wait_until(|seen| seen.arrived() == 1)
        .await;
    interrupt(&child, Signal::SIGINT);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !next_line(&mut stderr).contains("interrupted") {}
    interrupt(&child, Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
