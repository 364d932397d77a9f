//! The flags of every client.

use std::path::PathBuf;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// As it is negotiated.
    pub fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// How the client is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Args {
    pub protocol: Protocol,
    /// Where every host listens.
    pub port: u16,
    /// The certificate of who signed theirs, in PEM.
    pub ca: PathBuf,
    /// Which of several ways to do it, where the client has several.
    pub engine: Option<String>,
    /// How many connections to one host at most, where the client can be told.
    pub conns: Option<usize>,
    /// How many addresses the only host has, where the client can be told; 0: each host has one.
    pub addrs: usize,
    /// Whether idle connections are kept.
    pub keeps_idle: bool,
    /// Threads of the runtime besides the first; 0: only the first.
    pub threads: usize,
    /// Commands; none: they are read from standard input.
    pub commands: Vec<String>,
}

impl Args {
    /// Reads the flags; the error says what is wrong with them.
    ///
    /// # Errors
    ///
    /// What is wrong with them, in words.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut protocol, mut port, mut ca) = (None, None, None);
        let (mut engine, mut conns, mut addrs) = (None, None, 0);
        let (mut keeps_idle, mut threads, mut commands) = (true, 0, Vec::new());
        let mut args = args.into_iter();
        while let Some(flag) = args.next() {
            if flag == "--close" {
                keeps_idle = false;
                continue;
            }
            if !flag.starts_with("--") {
                commands.push(flag);
                continue;
            }
            let value = args.next().ok_or(format!("`{flag}` takes a value"))?;
            let number = || value.parse().map_err(|_wrong| format!("{flag} {value}?"));
            match flag.as_str() {
                "--proto" if value == "h1" => protocol = Some(Protocol::Http1),
                "--proto" if value == "h2" => protocol = Some(Protocol::Http2),
                "--port" => port = Some(value.parse().map_err(|_wrong| "a port is a number")?),
                "--ca" => ca = Some(PathBuf::from(&value)),
                "--engine" => engine = Some(value),
                "--conns" => conns = Some(number()?),
                "--addrs" => addrs = number()?,
                "--threads" => threads = number()?,
                _ => return Err(format!("no flag `{flag} {value}`")),
            }
        }
        Ok(Self {
            protocol: protocol.ok_or("`--proto h1` or `--proto h2`")?,
            port: port.ok_or("`--port` is missing")?,
            ca: ca.ok_or("`--ca` is missing")?,
            engine,
            conns,
            addrs,
            keeps_idle,
            threads,
            commands,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_and_commands_are_told_apart() {
        let args = parse("--proto h2 --port 9 --ca x --threads 2 --close count --conns 1");
        let args = args.expect("the line is right");
        assert_eq!((args.protocol, args.port), (Protocol::Http2, 9));
        assert_eq!((args.threads, args.conns), (2, Some(1)));
        assert!(!args.keeps_idle);
        assert_eq!(args.commands, ["count"]);
    }

    #[test]
    fn wrong_flags_say_what_is_wrong() {
        for (line, said) in [
            ("--proto h3 --port 1 --ca x", "no flag `--proto h3`"),
            ("--proto h1 --ca x", "--port"),
            ("--proto h1 --port x --ca x", "a port is a number"),
            ("--proto h1 --port 1 --ca x --conns many", "--conns many?"),
            ("--proto", "takes a value"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
