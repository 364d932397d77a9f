//! Servers of other TLS implementations, as their command lines run them.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use pool_tls::{BoringConnector, Roots};
use tempfile::TempDir;

use crate::support::NAME;

/// A server with a certificate of its own, killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub(crate) address: SocketAddr,
    files: Files,
}

impl Process {
    /// `openssl s_server`, which sends each line back reversed. `None`, with a word on stderr, where there is none.
    pub(crate) fn openssl(arguments: &[&str]) -> Option<Self> {
        let files = Files::new(&["openssl"])?;
        let mut command = Command::new("openssl");
        command.args(["s_server", "-rev", "-accept", "127.0.0.1:0"]);
        command.args(["-cert", "cert.pem", "-key", "key.pem"]);
        command.args(arguments);
        let mut server = Self::spawn(command, files);
        let ready = server.line("ACCEPT ");
        let address = ready.trim_start_matches("ACCEPT ").trim();
        server.address = address.parse().unwrap();
        Some(server)
    }

    /// `gnutls-serv`, which sends each line back as it is.
    pub(crate) fn gnutls() -> Option<Self> {
        let files = Files::new(&["openssl", "gnutls-serv"])?;
        // It cannot choose a free port itself.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut command = Command::new("gnutls-serv");
        command.args(["--echo", "--disable-client-cert", "--port"]);
        command.arg(address.port().to_string());
        command.args(["--x509certfile", "cert.pem", "--x509keyfile", "key.pem"]);
        let mut server = Self::spawn(command, files);
        server.line("listening on IPv4");
        server.address = address;
        Some(server)
    }

    /// A connector that trusts this server and nobody else.
    pub(crate) fn trusted(&self) -> BoringConnector {
        let pem = fs::read(self.files.path("cert.pem")).unwrap();
        let builder = BoringConnector::builder().roots(Roots::None);
        builder.add_ca_pem(&pem).unwrap().build().unwrap()
    }

    /// Waits for a line of the server's output that contains `part`.
    pub(crate) fn line(&self, part: &str) -> String {
        loop {
            let limit = Duration::from_secs(30);
            let line = self.lines.recv_timeout(limit);
            let line = line.unwrap_or_else(|_| panic!("the server never said `{part}`"));
            if line.contains(part) {
                return line;
            }
        }
    }

    fn spawn(mut command: Command, files: Files) -> Self {
        command.current_dir(files.0.path());
        command.stdin(Stdio::piped()); // An end of its input would be the end of s_server.
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take().unwrap(), sender.clone());
        forward(child.stderr.take().unwrap(), sender);
        Self {
            child,
            lines,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            files,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(output: impl Read + Send + 'static, lines: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}

/// `cert.pem` with an RSA key, which rcgen cannot make, `key.pem`, and `sct.pem`.
struct Files(TempDir);

impl Files {
    fn new(needed: &[&str]) -> Option<Self> {
        for program in needed {
            let mut probe = Command::new(program);
            probe.arg(if *program == "openssl" {
                "version"
            } else {
                "--version"
            });
            if probe.stdout(Stdio::null()).status().is_err() {
                eprintln!("SKIP: `{program}` is not installed");
                return None;
            }
        }
        let files = Self(TempDir::new().unwrap());
        let mut made = Command::new("openssl");
        made.args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ]);
        made.args(["-keyout", "key.pem", "-out", "cert.pem", "-subj"]);
        made.arg(format!("/CN={NAME}"));
        made.args(["-addext", &format!("subjectAltName=DNS:{NAME}")]);
        made.current_dir(files.0.path());
        let output = made.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::write(files.path("sct.pem"), SCT).unwrap();
        Some(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Extension 18 for the ServerHello of TLS 1.2 and the certificate of TLS 1.3: a list of one timestamp, version 1, whose
/// log is 32 times `L` and whose signature is eight times `S`.
const SCT: &str = "-----BEGIN SERVERINFOV2 FOR sct-----
AAARgAASADsAOQA3AExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMAAABi8/laAAAAAQD
AAhTU1NTU1NTUw==
-----END SERVERINFOV2 FOR sct-----
";
