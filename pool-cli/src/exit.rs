//! How the process ends: its exit codes, and errors as people read them.

use std::error::Error;
use std::process::ExitCode;

use crate::output;

/// How a command that ran to its end went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0.
    AllGood,
    /// 1: it ran, and some items failed.
    SomeFailed,
    /// 2: what was asked for makes no sense.
    Usage,
    /// 3: this machine cannot do it.
    Environment,
}

/// The code after a second interrupt: 128 and the number of SIGINT, as shells count.
pub(crate) const INTERRUPTED: u8 = 130;

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::AllGood => 0,
            Self::SomeFailed => 1,
            Self::Usage => 2,
            Self::Environment => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ended early.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Something to tell: what is wrong, and what to do about it.
    Told {
        exit: Exit,
        message: String,
        hint: String,
    },
    /// Nobody reads our output any more, which is fine.
    ClosedPipe,
}

impl Failure {
    /// The command line, a file or the configuration is at fault.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::told(Exit::Usage, message, hint)
    }

    /// The machine is at fault.
    pub(crate) fn environment(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::told(Exit::Environment, message, hint)
    }

    /// One item was asked for, and it failed.
    pub(crate) fn item(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::told(Exit::SomeFailed, message, hint)
    }

    /// Says where it happened, before what happened.
    #[must_use]
    pub(crate) fn within(self, place: &str) -> Self {
        match self {
            Self::Told {
                exit,
                message,
                hint,
            } => Self::told(exit, format!("{place}: {message}"), hint),
            Self::ClosedPipe => Self::ClosedPipe,
        }
    }

    fn told(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Told {
            exit,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// Says it on stderr.
    pub(crate) fn report(self) -> Exit {
        if let Self::Told { message, hint, .. } = &self {
            output::note(&format!("error: {message}\nhint: {hint}"));
        }
        self.exit()
    }

    /// What the process ends with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Told { exit, .. } => *exit,
            Self::ClosedPipe => Exit::AllGood,
        }
    }
}

/// An error and its sources on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let level = source.to_string();
        // Some libraries print their source too; once is enough.
        if !text.ends_with(&level) {
            text.push_str(": ");
            text.push_str(&level);
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug)]
    struct Level(&'static str, Option<io::Error>);

    impl std::fmt::Display for Level {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Level {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_ref().map(|e| e as _)
        }
    }

    #[test]
    fn a_chain_says_every_level_once() {
        let error = Level("dialling failed", Some(io::Error::other("no route")));
        assert_eq!(chain(&error), "dialling failed: no route");
        let error = Level(
            "dialling failed: no route",
            Some(io::Error::other("no route")),
        );
        assert_eq!(chain(&error), "dialling failed: no route");
    }
}
