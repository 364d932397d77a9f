//! One nginx of our own, on a loopback port, from a folder that goes with it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{now, pool};
use crate::{Failure, root};

/// The programs the check needs, if one is missing.
pub(super) fn missing() -> Option<&'static str> {
    ["nginx", "openssl"].into_iter().find(|program| {
        let found = Command::new(program)
            .arg("version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        found.is_err()
    })
}

pub(super) struct Nginx {
    child: Child,
    folder: PathBuf,
    port: u16,
}

const NAME: &str = "nginx.test";

/// Where it closes connections after 2 s if nothing was ever asked on them, after 4 s if something was.
const IMPATIENT: &str = "127.0.0.2";

impl Nginx {
    /// Starts it and waits until it listens.
    pub(super) fn start() -> Result<Self, Failure> {
        let folder = root().join("target/nginx");
        let broken =
            |what: &str, error: std::io::Error| Failure::Broken(format!("{what}: {error}"));
        fs::create_dir_all(folder.join("html")).map_err(|error| broken("target/nginx", error))?;
        certificate(&folder)?;
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map_err(|error| broken("a free port", error))?
            .port();
        fs::write(folder.join("html/file"), "x".repeat(1024))
            .map_err(|error| broken("html/file", error))?;
        let owner = fs::metadata(&folder)
            .map_err(|error| broken("target/nginx", error))?
            .uid();
        fs::write(folder.join("nginx.conf"), config(port, owner == 0))
            .map_err(|error| broken("nginx.conf", error))?;
        let child = Command::new("nginx")
            .arg("-p")
            .arg(&folder)
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| broken("nginx", error))?;
        let nginx = Self {
            child,
            folder,
            port,
        };
        nginx.wait()?;
        Ok(nginx)
    }

    pub(super) fn url(&self) -> String {
        format!("https://{NAME}:{}", self.port)
    }

    /// `pool fetch` that finds this server and trusts it, records on standard output.
    pub(super) fn fetch(&self) -> Command {
        let mut fetch = pool();
        let resolve = format!("{NAME}:{}:127.0.0.1", self.port);
        fetch.args([
            "fetch",
            "-i",
            "-",
            "--jsonl",
            "-",
            "--resolve",
            &resolve,
            "--cacert",
        ]);
        fetch.arg(self.folder.join("cert.pem"));
        fetch
    }

    /// `pool warm` of the address where connections do not stay idle for long: so many from each of four sources, held until
    /// they are gone, with the report as an object. With `asked`, each carries a request first.
    pub(super) fn warm(&self, per_cell: u64, asked: bool) -> Result<Command, Failure> {
        let health = if asked {
            "[[health]]\nuse = \"http\"\npath = \"/file\"\n\n[upkeep]\nhealth_interval = \"never\"\n"
        } else {
            ""
        };
        let config = self.folder.join("warm.toml");
        fs::write(&config, health)
            .map_err(|error| Failure::Broken(format!("warm.toml: {error}")))?;
        let mut warm = pool();
        let resolve = format!("{NAME}:{}:{IMPATIENT}", self.port);
        warm.args(["warm", &self.url(), "--resolve", &resolve, "--json"])
            .args(["--source", "127.0.2.0/30", "--for", "60s"])
            .args(["--per-cell", &per_cell.to_string()])
            .arg("--cacert")
            .arg(self.folder.join("cert.pem"))
            .arg("--config")
            .arg(config);
        Ok(warm)
    }

    pub(super) fn reload(&self) -> Result<(), Failure> {
        let status = Command::new("nginx")
            .arg("-p")
            .arg(&self.folder)
            .args(["-c", "nginx.conf", "-e", "error.log", "-s", "reload"])
            .status()
            .map_err(|error| Failure::Broken(format!("nginx -s reload: {error}")))?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::Broken(format!("nginx -s reload: {status}")))
    }

    fn wait(&self) -> Result<(), Failure> {
        let until = now() + Duration::from_secs(10);
        while now() < until {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            // fault: a server that is still starting.
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = fs::read_to_string(self.folder.join("error.log")).unwrap_or_default();
        Err(Failure::Broken(format!("nginx does not listen: {log}")))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers go with the master only if the master can tell them.
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _gone = self.child.kill();
        }
        let _reaped = self.child.wait();
    }
}

fn certificate(folder: &std::path::Path) -> Result<(), Failure> {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args([
            "-days",
            "30",
            "-subj",
            "/CN=nginx.test",
            "-addext",
            "subjectAltName=DNS:nginx.test",
        ])
        // Its own authority, and not one that could sign others.
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("cert.pem"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| Failure::Broken(format!("openssl: {error}")))?;
    if made.success() {
        return Ok(());
    }
    Err(Failure::Broken(format!("openssl req: {made}")))
}

/// As small as the promises are: 50 requests on a connection, 8 streams at a time.
///
/// An nginx started by root gives its workers another user, who may not read the folder this is in: they stay root then.
fn config(port: u16, root: bool) -> String {
    let user = if root { "user root;" } else { "" };
    format!(
        "{user}
daemon off;
pid nginx.pid;
worker_processes 2;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path tmp_body; proxy_temp_path tmp_proxy; fastcgi_temp_path tmp_fastcgi;
    uwsgi_temp_path tmp_uwsgi; scgi_temp_path tmp_scgi;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        server_name {NAME};
        ssl_certificate cert.pem;
        ssl_certificate_key key.pem;
        keepalive_requests 50;
        http2_max_concurrent_streams 8;
        root html;
    }}
    server {{
        listen {IMPATIENT}:{port} ssl http2;
        server_name {NAME};
        ssl_certificate cert.pem;
        ssl_certificate_key key.pem;
        client_header_timeout 2s;
        keepalive_timeout 4s;
        root html;
    }}
}}
"
    )
}
