//! What `--deny`, `--allow` and `--bans` take, and `pool access`.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use pool_core::config::parse_duration;
use pool_health::IpPrefix;

/// Flags about bans that outlast a run.
#[derive(ClapArgs, Clone, Default)]
pub(crate) struct BanArgs {
    /// Keeps bans in this file of rules over several runs; it is made if there is none.
    #[arg(long = "bans", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Bans an address that outlier policies have ejected so many times for one host.
    #[arg(long = "ban-after", value_name = "N", value_parser = parse_times, requires = "file", allow_negative_numbers = true)]
    pub(crate) after: Option<NonZeroU32>,
    /// How long such a ban lasts, or `never` for no end [default: 10m].
    #[arg(long = "ban-for", value_name = "DURATION", value_parser = parse_lasting, requires = "after")]
    pub(crate) lasting: Option<Duration>,
}

#[derive(Subcommand)]
pub(crate) enum AccessCommand {
    /// Says whether an address may be connected to, and which rule decides.
    Check(CheckAddrArgs),
    /// Prints the rules of a file, with the time that is left to each.
    List {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Adds a rule to a file, in the place of the one for the same prefix; the file is made if there is none.
    Add {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// An address or a prefix.
        #[arg(value_name = "ADDR|CIDR")]
        prefix: IpPrefix,
        /// How long the rule holds; without it, until it is removed.
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_lasting)]
        lasting: Option<Duration>,
        /// Why, for people.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Allows it instead of denying it.
        #[arg(long)]
        allow: bool,
    },
    /// Removes the rule for a prefix from a file.
    Remove {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The address or prefix, as `pool access list` prints it.
        #[arg(value_name = "ADDR|CIDR")]
        prefix: IpPrefix,
    },
}

#[derive(ClapArgs)]
pub(crate) struct CheckAddrArgs {
    /// Files of rules; the longest prefix in all of them decides.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The address.
    #[arg(value_name = "ADDR")]
    pub(crate) addr: IpAddr,
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_times(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .or(Err("write a whole number, 1 or more".into()))
}

fn parse_lasting(text: &str) -> Result<Duration, String> {
    let lasting = parse_duration(text).map_err(|error| error.to_string())?;
    if lasting.is_zero() {
        return Err("a rule that holds for no time is none; write a time such as 10m".into());
    }
    Ok(lasting)
}

/// Addresses, or a file that names some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccessArg {
    /// One prefix, or one address.
    Prefix(IpPrefix),
    /// What a word stands for.
    Word(&'static [IpPrefix]),
    /// A file of rules.
    File(PathBuf),
}

impl FromStr for AccessArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "@" => Err("a file's name is missing after `@`".into()),
            "all" => Ok(Self::Word(&IpPrefix::ALL)),
            "private" => Ok(Self::Word(&IpPrefix::PRIVATE)),
            _ => match text.strip_prefix('@') {
                Some(path) => Ok(Self::File(path.into())),
                None => text.parse().map(Self::Prefix).map_err(|error| {
                    format!("{error}; write an address, a prefix, `private`, `all` or `@FILE`")
                }),
            },
        }
    }
}
