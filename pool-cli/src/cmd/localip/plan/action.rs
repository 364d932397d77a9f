//! What a step does: shown as a shell command, run without a shell, and taken back.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// One change of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    /// `ip` with these arguments, one of which is the verb: `add` or `del`.
    Ip(Vec<String>),
    /// A kernel setting by the parts of its name, and its value.
    Set { name: Vec<String>, value: String },
    /// Lines that are for the user to run.
    Script(String),
}

impl Action {
    /// `ip` with arguments separated by blanks, and an interface at their end.
    pub(super) fn ip(args: &str, interface: &str) -> Self {
        let args = args.split_whitespace().map(str::to_owned);
        Self::Ip(args.chain([interface.to_owned()]).collect())
    }

    pub(super) fn set(name: &[&str], value: u8) -> Self {
        Self::Set {
            name: name.iter().map(|&part| part.to_owned()).collect(),
            value: value.to_string(),
        }
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// What the kernel or `ip` says; [`ErrorKind::PermissionDenied`] where root is needed.
    pub(super) fn run(&self) -> io::Result<()> {
        match self {
            Self::Ip(args) => ip(args),
            Self::Set { name, value } => std::fs::write(path(name), value),
            Self::Script(_) => Err(io::Error::new(
                ErrorKind::Unsupported,
                "this is for you to do",
            )),
        }
    }

    /// What takes it back, if it is done now; `None` for what is not done here.
    pub(super) fn inverse(&self) -> Option<Self> {
        match self {
            Self::Ip(args) => {
                let mut args = args.clone();
                *args.iter_mut().find(|arg| *arg == "add")? = "del".to_owned();
                Some(Self::Ip(args))
            }
            Self::Set { name, .. } => Some(Self::Set {
                name: name.clone(),
                value: current(name)?,
            }),
            Self::Script(_) => None,
        }
    }

    /// Whether a setting has this value now; true for all else.
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Set { name, value } => current(name).as_ref() == Some(value),
            Self::Ip(_) | Self::Script(_) => true,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(args) => {
                f.write_str("ip")?;
                args.iter()
                    .try_for_each(|arg| write!(f, " {}", quoted(arg)))
            }
            // The name of an interface may have dots in it, and then slashes separate.
            Self::Set { name, value } => {
                let dotted = name.iter().any(|part| part.contains('.'));
                let key = name.join(if dotted { "/" } else { "." });
                write!(f, "sysctl -w {}", quoted(&format!("{key}={value}")))
            }
            Self::Script(lines) => f.write_str(lines),
        }
    }
}

fn ip(args: &[String]) -> io::Result<()> {
    let output = Command::new("ip").args(args).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let kind = if said.contains("not permitted") {
        ErrorKind::PermissionDenied
    } else {
        ErrorKind::Other
    };
    Err(io::Error::new(kind, said.trim()))
}

fn path(name: &[String]) -> PathBuf {
    let mut path = PathBuf::from("/proc/sys");
    path.extend(name);
    path
}

fn current(name: &[String]) -> Option<String> {
    let value = std::fs::read_to_string(path(name)).ok()?;
    Some(value.trim().to_owned())
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-=:/@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_added_thing_is_taken_back_by_removing_the_same() {
        let add = Action::ip("-6 neigh add proxy 2001:db8::7 dev", "add");
        let Some(Action::Ip(mut args)) = add.inverse() else {
            panic!("it can be taken back");
        };
        assert_eq!(args[..5], ["-6", "neigh", "del", "proxy", "2001:db8::7"]);
        // The name of the interface is none of the words.
        assert_eq!(args.pop().as_deref(), Some("add"));
    }

    #[test]
    fn a_setting_is_taken_back_by_what_it_was() {
        let set = Action::set(&["net", "ipv4", "ip_nonlocal_bind"], 1);
        if let Some(before) = set.inverse() {
            assert!(before.holds(), "{before}");
        }
        assert_eq!(set.to_string(), "sysctl -w net.ipv4.ip_nonlocal_bind=1");
        assert_eq!(Action::set(&["net", "no", "such"], 1).inverse(), None);
        assert_eq!(Action::Script("x".into()).inverse(), None);
    }
}
