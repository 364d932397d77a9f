//! `pool fingerprint capture`: what connects is what is written down.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pool_tls::fidelity::FidelityReport;
use pool_tls::spec::{ExtensionOrder, Profile};
use serde_json::Value;

use super::support::Pool;

/// The binary, listening.
struct Capture {
    child: Child,
    stderr: BufReader<ChildStderr>,
    addr: SocketAddr,
}

impl Capture {
    fn start(args: &[&str]) -> Self {
        let command = Pool::new(&["fingerprint", "capture", "--timeout", "60"]).args(args);
        let mut child = command.start();
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let line = next_line(&mut stderr);
        let url = line.strip_prefix("listening on https://").expect(&line);
        let addr = url.trim_end_matches(['/', '\n']).parse().expect(url);
        let line = next_line(&mut stderr);
        assert!(line.starts_with("the certificate's SHA-256 is "), "{line}");
        Self {
            child,
            stderr,
            addr,
        }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).expect("it listens")
    }

    /// Sends these bytes, hangs up, and returns the line that is said about it.
    fn told_of(&mut self, bytes: &[u8]) -> String {
        let mut tcp = self.connect();
        tcp.write_all(bytes).expect("it reads");
        tcp.shutdown(std::net::Shutdown::Write).expect("open");
        let line = next_line(&mut self.stderr);
        let at = tcp.local_addr().expect("bound").to_string();
        assert!(line.starts_with(&at), "{line}");
        line
    }

    fn fetch(&self, args: &[&str]) -> super::support::Ended {
        let url = format!("https://{}/", self.addr);
        Pool::new(&["fetch", &url]).args(args).run()
    }

    fn interrupt(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a pid is positive"));
        kill(pid, Signal::SIGINT).expect("it has not ended");
    }

    /// Its exit code, stdout, and the rest of stderr.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stderr.read_to_string(&mut stderr).expect("text");
        let mut pipe = self.child.stdout.take().expect("piped");
        pipe.read_to_string(&mut stdout).expect("text");
        let code = self.child.wait().expect("it ends").code();
        assert!(!stderr.contains("panicked"), "{stderr}");
        (code, stdout, stderr)
    }
}

fn next_line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("text");
    line
}

/// Captured bytes of a real client.
fn bytes(file: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pool-tls/tests/captures");
    std::fs::read(format!("{folder}/{file}")).expect(file)
}

#[test]
fn our_own_client_over_http2_makes_a_profile_with_its_opening_and_its_headers() {
    let capture = Capture::start(&["--count", "2", "--name", "ours"]);
    let page = capture.fetch(&["-k"]).code(0);
    assert!(page.stdout.contains("captured"), "{page:?}");
    capture.fetch(&["-k"]).code(0);
    let (code, toml, stderr) = capture.end();
    assert_eq!(code, Some(0), "{stderr}");
    let profile = Profile::from_toml(&toml).unwrap();
    assert_eq!(profile.id.as_str(), "ours");
    let hello = profile.hello.unwrap();
    assert!(hello.ja4().to_string().starts_with("t13i"), "{toml}");
    let http2 = profile.http2.expect("it speaks HTTP/2");
    assert_eq!(http2.first_stream_id, 1);
    let agent = profile
        .headers
        .iter()
        .find(|(name, _)| name == "user-agent");
    assert_eq!(agent.unwrap().1, profile.captured.unwrap().client);
    assert_eq!(stderr.matches("; HTTP/2 ").count(), 2, "{stderr}");
}

#[test]
fn a_client_of_http11_gives_its_hello_and_its_name() {
    let capture = Capture::start(&["--count", "1", "--json"]);
    let page = capture.fetch(&["-k", "--http1.1", "-H", "User-Agent: Old/1"]);
    assert!(page.code(0).stdout.contains("captured"));
    let (code, json, stderr) = capture.end();
    assert_eq!(code, Some(0), "{stderr}");
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["v"], &report["hellos"]), (&1.into(), &1.into()));
    assert_eq!(report["openings"], 0);
    assert_eq!(report["profile"]["captured"]["client"], "Old/1");
    assert!(stderr.contains("HTTP/1.1"), "{stderr}");
    assert!(stderr.contains("neither an HTTP/2 opening"), "{stderr}");
}

#[test]
fn a_client_that_refuses_the_certificate_gives_its_hello_at_least() {
    let capture = Capture::start(&["--count", "1"]);
    capture.fetch(&[]).code(1);
    let (code, toml, stderr) = capture.end();
    assert_eq!(code, Some(0), "{stderr}");
    let profile = Profile::from_toml(&toml).unwrap();
    assert!(profile.hello.is_some() && profile.http2.is_none(), "{toml}");
    assert!(stderr.contains("must trust this one"), "{stderr}");
}

#[test]
fn a_resumed_hello_does_not_count_and_the_others_make_the_built_in_profile() {
    let mut capture = Capture::start(&["--count", "5"]);
    let hello = |at| bytes(&format!("chromium-156.0.8078.79/ch0{at}.bin"));
    let resumed = capture.told_of(&hello(6));
    assert!(resumed.contains("resumed: does not count"), "{resumed}");
    for at in 1..=4 {
        let line = capture.told_of(&hello(at));
        assert!(line.contains("JA4 t13d1517h2_8daaf6152771_cb7bf5808d99"));
        assert!(!line.contains("resumed"), "{line}");
    }
    // The last one comes byte by byte.
    let mut tcp = capture.connect();
    tcp.set_nodelay(true).unwrap();
    for byte in hello(5) {
        tcp.write_all(&[byte]).unwrap();
    }
    tcp.shutdown(std::net::Shutdown::Write).unwrap();
    let (code, toml, stderr) = capture.end();
    assert_eq!(code, Some(0), "{stderr}");
    let seen = Profile::from_toml(&toml).unwrap().hello.unwrap();
    let built_in = Profile::built_in("chromium-156").unwrap().hello.unwrap();
    assert_eq!(seen.extension_order, ExtensionOrder::Permuted);
    let report = FidelityReport::compare(&built_in, &seen);
    assert_eq!(report.summary(), "", "{report}");
}

#[test]
fn what_is_no_hello_is_told_and_the_listening_goes_on() {
    let mut capture = Capture::start(&["--count", "1"]);
    let http = capture.told_of(b"GET / HTTP/1.1\r\n\r\n");
    assert!(http.contains("plain HTTP"), "{http}");
    let garbage = capture.told_of(&[0xff; 100]);
    assert!(garbage.contains("not a TLS handshake"), "{garbage}");
    let nothing = capture.told_of(b"");
    assert!(nothing.contains("without a word"), "{nothing}");
    let hello = bytes("curl-7.88.1-debian/ch01.bin");
    let half = capture.told_of(&hello[..200]);
    assert!(half.contains("hung up after 200 bytes"), "{half}");
    capture.told_of(&hello);
    assert_eq!(capture.end().0, Some(0));
}

#[test]
fn what_was_captured_before_an_interrupt_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.toml").display().to_string();
    let mut capture = Capture::start(&["--count", "3", "-o", &file]);
    capture.told_of(&bytes("curl-7.88.1-debian/ch01.bin"));
    capture.interrupt();
    let (code, stdout, stderr) = capture.end();
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("1 of 3 hellos"), "{stderr}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(Profile::from_toml(&text).unwrap().hello.is_some());
}

#[test]
fn nobody_came_in_time_is_a_failure() {
    let ended = Pool::new(&["fingerprint", "capture", "--timeout", "10ms"]).run();
    let ended = ended.code(1).says("0 of 4 hellos").says("hint: ");
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anybody_connects() {
    let ended = Pool::new(&["fingerprint", "capture", "-o", "/nowhere/at/all"]).run();
    let ended = ended.code(2).says("cannot write /nowhere/at/all");
    assert!(!ended.stderr.contains("listening"), "{ended:?}");
}

#[test]
fn two_clients_are_not_mixed() {
    let mut capture = Capture::start(&["--count", "2"]);
    capture.told_of(&bytes("curl-7.88.1-debian/ch01.bin"));
    capture.told_of(&bytes("firefox-esr-153.7.0/ch02.bin"));
    let (code, stdout, stderr) = capture.end();
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.contains("differs between hello 1 and hello 2"),
        "{stderr}"
    );
}
