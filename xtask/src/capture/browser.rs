//! Browsers: where they are, which they are, and how they open a page without anybody watching.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::broken;
use crate::Failure;

/// A browser that this task knows how to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Chromium,
    Firefox,
}

/// An installed browser.
#[derive(Debug)]
pub(super) struct Browser {
    kind: Kind,
    pub(super) program: PathBuf,
    /// Name and version, such as `Chromium 156.0.8078.79`.
    pub(super) client: String,
    /// Of the profile, such as `chromium-156`.
    pub(super) name: String,
}

/// What to open.
#[derive(Debug)]
pub(super) struct Page {
    /// On 127.0.0.1.
    pub(super) port: u16,
    /// Of the certificate.
    pub(super) sha256: String,
}

/// The name under which the page is opened: a hello to an address would have no server name.
const HOST: &str = "www.example.test";

/// Seconds that loading a page may take.
const PATIENCE: &str = "30";

impl Browser {
    /// The first one on the path.
    ///
    /// # Errors
    ///
    /// [`Failure::Broken`] with the package that has it, or if it does not say its version.
    pub(super) fn find(kind: Kind) -> Result<Self, Failure> {
        let (programs, package): (&[&str], _) = match kind {
            Kind::Chromium => (
                &["chromium", "chromium-browser", "google-chrome"],
                "chromium",
            ),
            Kind::Firefox => (&["firefox-esr", "firefox"], "firefox-esr"),
        };
        let Some(program) = programs.iter().find_map(|program| on_path(program)) else {
            return Err(Failure::Broken(format!(
                "none of {} is installed; Debian's package is {package}: apt-get install {package}",
                programs.join(", ")
            )));
        };
        let output = Command::new(&program).arg("--version").output();
        let output = output.map_err(|error| broken("--version", &error))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let (client, name) = version(&said)
            .ok_or_else(|| Failure::Broken(format!("{} --version: {said}", program.display())))?;
        Ok(Self {
            kind,
            program,
            client,
            name,
        })
    }

    /// Opens the page in a new process with nothing in its `profile`, and waits for it to end.
    ///
    /// # Errors
    ///
    /// [`Failure::Broken`] if it cannot be started. How it ends says little: the listener knows whether it connected.
    pub(super) fn open(&self, page: &Page, profile: &Path) -> Result<(), Failure> {
        let mut command = Command::new("timeout");
        command
            .arg("--kill-after=5")
            .arg(PATIENCE)
            .arg(&self.program);
        let url = format!("https://{HOST}:{}/", page.port);
        match self.kind {
            Kind::Chromium => {
                command.args(CHROMIUM);
                command.arg(format!("--host-resolver-rules=MAP {HOST} 127.0.0.1"));
                command.arg(format!("--user-data-dir={}", profile.display()));
                command.args(["--dump-dom", &url]);
            }
            Kind::Firefox => {
                firefox_profile(page, profile).map_err(|error| broken("profile", &error))?;
                command.args(["--headless", "--no-remote", "--profile"]);
                command.arg(profile);
                command.arg("--screenshot").arg(profile.join("page.png"));
                command.arg(&url);
            }
        }
        // A screenshot and a document that nobody looks at.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let status = command.status();
        status.map(drop).map_err(|error| broken("timeout", &error))
    }
}

/// `--no-sandbox`: as root there is none. The others: connections to nobody but the page, and by TCP.
const CHROMIUM: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
];

/// The page's name is this machine's, its certificate is accepted, and nobody else is connected to.
fn firefox_profile(page: &Page, profile: &Path) -> std::io::Result<()> {
    let mut prefs = format!("user_pref(\"network.dns.localDomains\", \"{HOST}\");\n");
    for off in FIREFOX_OFF {
        prefs += &format!("user_pref(\"{off}\", false);\n");
    }
    std::fs::write(profile.join("user.js"), prefs)?;
    // As if somebody had clicked `Accept the Risk and Continue`. The algorithm is SHA-256.
    let accepted = format!(
        "{HOST}:{}:\tOID.2.16.840.1.101.3.4.2.1\t{}\t\n",
        page.port, page.sha256
    );
    std::fs::write(profile.join("cert_override.txt"), accepted)
}

const FIREFOX_OFF: [&str; 6] = [
    "app.normandy.enabled",
    "browser.safebrowsing.malware.enabled",
    "browser.safebrowsing.phishing.enabled",
    "datareporting.policy.dataSubmissionEnabled",
    "network.captive-portal-service.enabled",
    "network.connectivity-service.enabled",
];

/// What `--version` says, as a client and as the name of its profile.
fn version(said: &str) -> Option<(String, String)> {
    let words = said.split_whitespace();
    let mut name = Vec::new();
    for word in words {
        if !word.starts_with(|first: char| first.is_ascii_digit()) {
            name.push(word);
            continue;
        }
        let major = word.split('.').next()?;
        let esr = if word.ends_with("esr") { "-esr" } else { "" };
        let last = name.last()?.to_lowercase();
        let client = format!("{} {word}", name.join(" "));
        return Some((client, format!("{last}{esr}-{major}")));
    }
    None
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(program));
    files.find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_names_the_client_and_its_profile() {
        let named = |said| {
            let (client, name) = version(said).unwrap();
            format!("{client}: {name}")
        };
        assert_eq!(
            named("Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)\n"),
            "Chromium 156.0.8078.79: chromium-156"
        );
        assert_eq!(
            named("Mozilla Firefox 153.7.0esr\n"),
            "Mozilla Firefox 153.7.0esr: firefox-esr-153"
        );
        assert_eq!(
            named("Google Chrome 156.0.8078.79 \n"),
            "Google Chrome 156.0.8078.79: chrome-156"
        );
        assert_eq!(version("Chromium"), None);
        assert_eq!(version("156"), None);
    }
}
