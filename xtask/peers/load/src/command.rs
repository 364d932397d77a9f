//! What a client is told to do: a word, and numbers by name.

use std::time::Duration;

/// One load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) kind: Kind,
    /// Tasks at a time.
    pub(crate) conc: usize,
    pub(crate) path: String,
    /// Whether the request has the nine header fields of a browser or only what it must have.
    pub(crate) rich: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// So many requests to one host, counted, after so many by each task that are not.
    Count { requests: usize, warm: usize },
    /// So many requests to one host at once.
    Burst { requests: usize },
    /// Opens everything there is to open.
    Warm,
    /// As many requests to one host as fit.
    Load { lasts: Duration },
    /// One request to each of so many hosts; or a connection alone.
    Hosts {
        hosts: usize,
        first: usize,
        connects_only: bool,
    },
}

impl Command {
    /// Reads `load ms=300 conc=16`.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let kind = words.next().unwrap_or_default();
        let (mut requests, mut warm, mut ms, mut hosts, mut first) = (1, 0, 100, 1, 0);
        let (mut conc, mut path, mut rich, mut connects_only) = (1, "/".to_owned(), false, false);
        for word in words {
            let (name, value) = word.split_once('=').ok_or(format!("`{word}`?"))?;
            let number = || {
                let number = value.parse::<usize>();
                number.map_err(|_wrong| format!("`{word}`?"))
            };
            match name {
                "requests" => requests = number()?,
                "warm" => warm = number()?,
                "ms" => ms = number()?,
                "hosts" => hosts = number()?,
                "first" => first = number()?,
                "conc" => conc = number()?,
                "path" => path = value.to_owned(),
                "rich" => rich = number()? == 1,
                "connect" => connects_only = number()? == 1,
                _ => return Err(format!("`{word}`?")),
            }
        }
        let kind = match kind {
            "count" => Kind::Count { requests, warm },
            "burst" => Kind::Burst { requests },
            "warm" => Kind::Warm,
            "load" => Kind::Load {
                lasts: Duration::from_millis(ms as u64),
            },
            "hosts" => Kind::Hosts {
                hosts,
                first,
                connects_only,
            },
            _ => return Err(format!("`{line}`?")),
        };
        Ok(Self {
            kind,
            conc: conc.max(1),
            path,
            rich,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_load() {
        let command = Command::parse("load ms=300 conc=16 path=/rich rich=1");
        let command = command.expect("the line is right");
        let lasts = Duration::from_millis(300);
        assert_eq!(command.kind, Kind::Load { lasts });
        assert_eq!((command.conc, command.path.as_str()), (16, "/rich"));
        assert!(command.rich);
    }

    #[test]
    fn an_unknown_word_is_repeated() {
        for line in ["run", "load conc", "load conc=x", "load speed=1"] {
            let error = Command::parse(line).expect_err(line);
            assert!(error.ends_with("`?"), "{error}");
        }
    }
}
