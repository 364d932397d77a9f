//! The binary, an origin for it, and what came out.

use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Output, Stdio};

use pool_core::testing::{Fleet, FleetBuilder};
use serde_json::Value;
use tempfile::NamedTempFile;

/// A fleet, and the flags with which the binary finds and trusts it.
pub(crate) struct Site {
    pub(crate) fleet: Fleet,
    ca: NamedTempFile,
}

impl Site {
    /// One origin on 127.0.0.1.
    pub(crate) async fn one() -> Self {
        Self::start(Fleet::builder()).await
    }

    /// Origins on so many addresses, from 127.0.1.1.
    pub(crate) async fn many(origins: u8) -> Self {
        let origins = (1..=origins).map(|i| IpAddr::from([127, 0, 1, i]));
        Self::start(Fleet::builder().origins(origins)).await
    }

    pub(crate) async fn start(builder: FleetBuilder) -> Self {
        let fleet = builder.start().await.expect("loopback can be listened on");
        let mut ca = NamedTempFile::new().expect("a file");
        ca.write_all(fleet.ca_pem().as_bytes()).expect("written");
        Self { fleet, ca }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.fleet.url(path)
    }

    /// `pool fetch` that resolves the fleet's name, and does not trust it.
    pub(crate) fn distrusting(&self) -> Pool {
        self.resolving("fetch")
    }

    fn resolving(&self, command: &str) -> Pool {
        let addrs: Vec<_> = self
            .fleet
            .addrs()
            .iter()
            .map(|a| a.ip().to_string())
            .collect();
        let (name, port) = (self.fleet.name(), self.fleet.port());
        let resolve = format!("{name}:{port}:{}", addrs.join(","));
        Pool::new(&[command, "--resolve", &resolve])
    }

    /// `pool fetch` that resolves the fleet's name and trusts its authority.
    pub(crate) fn fetch(&self) -> Pool {
        self.distrusting().args(&["--cacert", &self.ca()])
    }

    /// `pool warm` that resolves the fleet's name, trusts its authority, and has the fleet as its target.
    pub(crate) fn warm(&self) -> Pool {
        let (url, ca) = (self.url("/"), self.ca());
        self.resolving("warm").args(&["--cacert", &ca, &url])
    }

    /// The file with the certificate of the fleet's authority.
    pub(crate) fn ca(&self) -> String {
        self.ca.path().display().to_string()
    }
}

/// The binary with some arguments.
pub(crate) struct Pool(Command);

impl Pool {
    pub(crate) fn new(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pool"));
        // Settings of whoever runs the tests are not ours.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().to_uppercase().starts_with("POOL_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null());
        Self(command).args(args)
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs it to its end. Blocks this thread: origins live on the others.
    pub(crate) fn run(mut self) -> Ended {
        Ended::new(&self.0.output().expect("the binary runs"))
    }

    /// Runs it to its end with this on stdin.
    pub(crate) fn run_with(self, input: &str) -> Ended {
        let mut child = self.start();
        let mut stdin = child.stdin.take().expect("piped");
        // A binary that does not want all of it has closed the pipe, which is its right.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ended::new(&child.wait_with_output().expect("the binary ends"))
    }

    /// Starts it with three pipes.
    pub(crate) fn start(mut self) -> std::process::Child {
        self.0
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.0.spawn().expect("the binary runs")
    }
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn new(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// This exit code, and an error with a hint if it is not 0 or 1.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        if code > 1 {
            assert!(self.stderr.contains("error: "), "{self:?}");
            assert!(self.stderr.contains("hint: "), "{self:?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self
    }

    /// Every line of stdout as JSON; each has its version.
    #[track_caller]
    pub(crate) fn records(&self) -> Vec<Value> {
        let records = self.stdout.lines().map(|line| {
            let record: Value = serde_json::from_str(line).expect(line);
            assert_eq!(record["v"], 1, "{line}");
            record
        });
        records.collect()
    }

    /// The only record.
    #[track_caller]
    pub(crate) fn record(&self) -> Value {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "{self:?}");
        records.remove(0)
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in {self:?}");
        self
    }
}
