//! What `pool fingerprint` takes.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use super::parse_seconds;

#[derive(Subcommand)]
pub(crate) enum FingerprintCommand {
    /// Lists the profiles that come with this program, and how near to each this build can come.
    List {
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Shows a profile, a captured ClientHello or the opening of an HTTP/2 connection, and what they are called by.
    Show {
        /// A built-in profile, or a file: a profile in TOML, TLS records that begin with a ClientHello, or what a client sends
        /// first over HTTP/2.
        #[arg(value_name = "NAME|FILE")]
        what: String,
        /// Prints the profile as a file to start from.
        #[arg(long, conflicts_with = "json")]
        toml: bool,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Compares two profiles field by field. Exits with 1 if they differ.
    Diff {
        /// A built-in profile or a file.
        #[arg(value_name = "A")]
        left: String,
        /// A built-in profile or a file.
        #[arg(value_name = "B")]
        right: String,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Sends hellos under a profile to a listener in this process and compares what came. Exits with 1 if it differs.
    Verify {
        /// A built-in profile or a file.
        #[arg(value_name = "NAME|FILE")]
        profile: String,
        /// Fetches this URL too, under the profile.
        #[arg(long, value_name = "URL")]
        against: Option<String>,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Listens, and makes a profile of the client that connects.
    Capture(CaptureArgs),
    /// Makes profiles of captured bytes: hellos as hexadecimal digits or as they are, and packet captures.
    Import {
        /// Files; `-` reads standard input.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// What to call the profile; more than one get a number each.
        #[arg(long, value_name = "NAME", default_value = "imported")]
        name: String,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(ClapArgs)]
pub(crate) struct CaptureArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: std::net::SocketAddr,
    /// How many hellos make a profile; resumed ones do not count.
    #[arg(long, value_name = "N", default_value = "4")]
    pub(crate) count: NonZeroUsize,
    /// What to call the profile.
    #[arg(long, value_name = "NAME", default_value = "captured")]
    pub(crate) name: String,
    /// What to write down as the client, such as `Chromium 156.0.8078.79` [default: its user-agent].
    #[arg(long, value_name = "TEXT")]
    pub(crate) client: Option<String>,
    /// Writes the profile to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Seconds (or `250ms`) after which to give up.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, default_value = "60")]
    pub(crate) timeout: Duration,
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
