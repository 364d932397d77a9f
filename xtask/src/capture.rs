//! `cargo xtask capture`: a fingerprint profile of a browser that is installed here.

mod browser;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use self::browser::{Browser, Kind, Page};
use crate::{Failure, cargo, root};

const HELP: &str = "\
Usage: cargo xtask capture chromium|firefox [-o FILE]

Starts `pool fingerprint capture`, opens its page in the browser, headless and each time with a new profile, and
writes what the browser sent as a profile in TOML: to FILE, or to target/NAME.toml. Installs nothing.
";

/// Hellos to make the profile of. Chromium has four lengths of a GREASE `encrypted_client_hello`: this shows most.
const HELLOS: usize = 6;

/// Pages to load for them: a browser may open more connections than one, and may fail to open any.
const PAGES: usize = 12;

/// Makes a profile of the browser.
///
/// # Errors
///
/// [`Failure::Broken`] if the browser is not installed or sent too little.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (kind, output) = match args.as_slice() {
        [] | ["--help" | "-h"] => {
            print!("{HELP}");
            return Ok(());
        }
        [kind] => (kind, None),
        [kind, "-o", file] => (kind, Some(*file)),
        _ => return Err(Failure::Usage(HELP.to_owned())),
    };
    let kind = match *kind {
        "chromium" => Kind::Chromium,
        "firefox" => Kind::Firefox,
        other => {
            let problem = format!("no browser named `{other}`\n\n{HELP}");
            return Err(Failure::Usage(problem));
        }
    };
    let browser = Browser::find(kind)?;
    println!("capture: {}, {}", browser.client, browser.program.display());
    let output = match output {
        Some(file) => std::path::absolute(file).map_err(|error| broken(file, &error))?,
        None => root().join(format!("target/{}.toml", browser.name)),
    };
    let mut build = cargo::command();
    build.args(["build", "-p", "pool-cli"]);
    cargo::read(build)?;
    capture(&browser, &output)?;
    println!("capture: written to {}", output.display());
    Ok(())
}

fn capture(browser: &Browser, output: &Path) -> Result<(), Failure> {
    let mut listener = Listener::start(browser, output)?;
    for number in 1..=PAGES {
        if listener.has_ended()? {
            break;
        }
        let profile = Folder::new(&format!("{}-{number}", browser.name))?;
        browser.open(&listener.page, &profile.0)?;
    }
    listener.end()
}

/// `pool fingerprint capture`, running.
struct Listener {
    child: Child,
    page: Page,
    /// Passes on what it says.
    stderr: std::thread::JoinHandle<()>,
}

impl Listener {
    fn start(browser: &Browser, output: &Path) -> Result<Self, Failure> {
        let mut command = Command::new(root().join("target/debug/pool"));
        command
            .args(["fingerprint", "capture", "--timeout", "120"])
            .args(["--count", &HELLOS.to_string()])
            .args(["--name", &browser.name, "--client", &browser.client])
            .arg("-o")
            .arg(output)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| broken(POOL, &error))?;
        let stderr = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(stderr).lines();
        let mut line = || lines.next().and_then(Result::ok).unwrap_or_default();
        let (first, second) = (line(), line());
        let port = first
            .strip_prefix("listening on https://127.0.0.1:")
            .and_then(|rest| rest.trim_end_matches('/').parse().ok());
        let sha256 = second.strip_prefix("the certificate's SHA-256 is ");
        let (Some(port), Some(sha256)) = (port, sha256) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Failure::Broken(format!("{POOL}: {first}\n{second}")));
        };
        println!("{first}");
        let stderr = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                println!("{line}");
            }
        });
        let page = Page {
            port,
            sha256: sha256.to_owned(),
        };
        Ok(Self {
            child,
            page,
            stderr,
        })
    }

    /// Whether it has hellos enough, or gave up.
    fn has_ended(&mut self) -> Result<bool, Failure> {
        let status = self.child.try_wait();
        let status = status.map_err(|error| broken(POOL, &error))?;
        Ok(status.is_some())
    }

    /// Waits for it. It ends by itself: it has a time limit.
    fn end(mut self) -> Result<(), Failure> {
        let status = self.child.wait().map_err(|error| broken(POOL, &error))?;
        self.stderr.join().expect("printing does not panic");
        if status.success() {
            return Ok(());
        }
        Err(Failure::Broken(format!("{POOL}: {status}")))
    }
}

/// A new folder under `target`, gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self, Failure> {
        let path = root().join("target/capture").join(name);
        // An earlier run may have been killed.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).map_err(|error| broken(name, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn broken(what: &str, error: &std::io::Error) -> Failure {
    Failure::Broken(format!("{what}: {error}"))
}

const POOL: &str = "pool fingerprint capture";
