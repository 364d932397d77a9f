//! The command line: what each subcommand takes.

mod access;
mod fingerprint;
mod localip;
mod plan;
mod warm;

#[cfg(feature = "hickory")]
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use access::{AccessArg, AccessCommand, BanArgs, CheckAddrArgs};
use clap::{Args as ClapArgs, Parser, Subcommand};
pub(crate) use fingerprint::{CaptureArgs, FingerprintCommand, ImportArgs};
pub(crate) use localip::{CheckArgs, LocalipCommand, LocalipPlanArgs};
pub(crate) use plan::PlanArgs;
use pool_core::ResolveEntry;
use pool_core::config::parse_duration;
use pool_localip::SourceSpec;
use pool_tls::fidelity::Fidelity;
pub(crate) use warm::WarmArgs;

/// Outbound HTTP over connections that are already open.
#[derive(Parser)]
#[command(name = "pool", version, after_long_help = MORE, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Fetches URLs over hot connections.
    Fetch(Box<FetchArgs>),
    /// Opens every address of some targets from every source, holds what is open, and says who closed what when.
    Warm(Box<WarmArgs>),
    /// Measures cold against hot connections, on origins inside this process, and checks what it claims.
    Demo(DemoArgs),
    /// Computes how many connections a load needs, and the limits for it.
    Plan(PlanArgs),
    /// Shows, checks and captures what clients look like on the wire.
    Fingerprint {
        #[command(subcommand)]
        command: FingerprintCommand,
    },
    /// Shows, prepares and checks the addresses that connections can come from.
    Localip {
        #[command(subcommand)]
        command: LocalipCommand,
    },
    /// Shows and changes files of access rules.
    Access {
        #[command(subcommand)]
        command: AccessCommand,
    },
    /// Shows the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Lists the policies that a configuration can name.
    Plugins {
        #[command(subcommand)]
        command: PluginsCommand,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Prints every setting, and where its value comes from.
    Show {
        #[command(flatten)]
        settings: SettingArgs,
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum PluginsCommand {
    /// Prints every policy with its options.
    List {
        /// Prints one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Flags that are the topmost layer of the configuration.
#[derive(ClapArgs, Default)]
pub(crate) struct SettingArgs {
    /// Reads settings from this TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Connections to one host, over all sources and addresses [default: 16; 256 if all targets are loopback or private].
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) max_conns_per_host: Option<NonZeroUsize>,
    /// How long an HTTP/2 connection is quiet before a PING asks whether the peer is there, or `never`.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) ping_interval: Option<Duration>,
    /// Seconds (or `250ms`) that the name lookup, the TCP connect and the handshake may take, each.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, allow_negative_numbers = true)]
    pub(crate) connect_timeout: Option<Duration>,
    /// Trusts a connection or an address only once a GET of this path is answered by it with 200 to 399: each one that is warmed
    /// before its first use, and idle ones again and again. In place of each [[health]] of the configuration. `fetch` warms with it.
    #[arg(long, value_name = "PATH")]
    pub(crate) check: Option<String>,
    /// Uses sources that no interface has, as those of a prefix that is routed here; `pool localip plan` says how.
    #[arg(long)]
    pub(crate) freebind: bool,
    /// Looks like this client on the wire: a profile of `pool fingerprint list`, or a file.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) fingerprint: Option<String>,
    /// Opens nothing if the hello would come less near to the client's: exact, ja3-equal, ja4-equal, ciphers-only or native.
    #[arg(long, value_name = "GRADE")]
    pub(crate) require: Option<Fidelity>,
    /// Speaks HTTP/1.1 only.
    #[arg(long = "http1.1", group = "version")]
    pub(crate) http1: bool,
    /// Speaks HTTP/2 where the server agrees to it, else HTTP/1.1; the default.
    #[arg(long = "http2", group = "version")]
    pub(crate) http2: bool,
    /// Speaks HTTP/2 only, on http:// without asking first.
    #[arg(long = "http2-prior-knowledge", group = "version")]
    pub(crate) http2_only: bool,
}

/// Flags that say where connections go, where they come from, and whom they trust.
#[derive(ClapArgs, Clone, Default)]
pub(crate) struct NetworkArgs {
    /// Connects to these addresses for a host and port. Repeatable.
    #[arg(long, value_name = "HOST:PORT:ADDR[,ADDR...]")]
    pub(crate) resolve: Vec<ResolveEntry>,
    /// Asks these DNS servers for addresses, all of them, instead of the system.
    #[cfg(feature = "hickory")]
    #[arg(long, value_name = "ADDR[:PORT],...", value_parser = parse_dns_server, value_delimiter = ',')]
    pub(crate) dns_servers: Vec<SocketAddr>,
    /// Connects from this local address, or from all of a prefix. Repeatable.
    #[arg(long, value_name = "ADDR|CIDR")]
    pub(crate) source: Vec<SourceSpec>,
    /// Connects to no such address, whatever a name lookup says: an address, a prefix, `private`, `all`, or a file of rules. Repeatable.
    #[arg(long, value_name = "ADDR|CIDR|@FILE")]
    pub(crate) deny: Vec<AccessArg>,
    /// Connects to such addresses although a shorter prefix is denied. Repeatable.
    #[arg(long, value_name = "ADDR|CIDR|@FILE")]
    pub(crate) allow: Vec<AccessArg>,
    #[command(flatten)]
    pub(crate) bans: BanArgs,
    /// Trusts the authorities in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,
    /// Shows the client certificate in this PEM file.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of the client certificate; without it, the key is in the same file.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Accepts any certificate from anybody. DANGEROUS.
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,
}

#[derive(ClapArgs)]
#[command(after_long_help = FETCH_MORE)]
pub(crate) struct FetchArgs {
    /// What to fetch. One URL alone: its body goes to stdout.
    #[arg(value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// Reads lines from this file, or from stdin (`-`): a URL, or {"url","method","headers","body"}.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Writes each body to a file in this directory.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Writes one JSON object per request to this file, or to stdout (`-`).
    #[arg(long, value_name = "FILE")]
    pub(crate) jsonl: Option<PathBuf>,
    /// Writes the closing statistics as JSON to this file, or to stdout (`-`).
    #[arg(long, value_name = "FILE")]
    pub(crate) stats: Option<PathBuf>,

    /// Uses this method.
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Sends this header (`Name: value`; `Name:` leaves a default one out). Repeatable.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
    /// Sends this body, by POST; `@FILE` reads it from a file without its line ends, `@-` from stdin. Repeatable.
    #[arg(short = 'd', long = "data", value_name = "DATA")]
    pub(crate) data: Vec<String>,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,

    /// Requests at a time.
    #[arg(
        short,
        long,
        value_name = "N",
        default_value = "16",
        value_parser = parse_count, allow_negative_numbers = true
    )]
    pub(crate) concurrency: NonZeroUsize,
    /// Opens every address from every source first; --check does too.
    #[arg(long)]
    pub(crate) warm: bool,
    /// Seconds (or `250ms`) that one request may take in all.
    #[arg(short, long, value_name = "SECONDS", value_parser = parse_seconds, allow_negative_numbers = true)]
    pub(crate) max_time: Option<Duration>,

    #[command(flatten)]
    pub(crate) settings: SettingArgs,
}

#[derive(ClapArgs)]
pub(crate) struct DemoArgs {
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Requests in each row.
    #[arg(long, value_name = "N", default_value = "800", value_parser = clap::value_parser!(u32).range(200..=100_000))]
    pub(crate) requests: u32,
    /// Requests at a time.
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=128))]
    pub(crate) concurrency: u32,
    /// Chooses which address is dead, which forbids, which turns slow and which is killed.
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) seed: u64,
}

/// The address of a DNS server, at its usual port unless that is said.
#[cfg(feature = "hickory")]
fn parse_dns_server(text: &str) -> Result<SocketAddr, String> {
    const DNS: u16 = 53;
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let without_port = || bare.parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS));
    text.parse().or_else(|_no_port| without_port()).or(Err(
        "write an IP address, with a port if it is not 53".into(),
    ))
}

/// How many, in the words of whoever types it.
fn parse_count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .or(Err("write a whole number, 1 or more".into()))
}

/// A number of seconds as curl writes it, or a duration with units.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let duration = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).or(Err(
            "write seconds, such as 2.5, or a time with units, such as 250ms",
        ))?,
        Err(_) => parse_duration(text).map_err(|error| error.to_string())?,
    };
    if duration.is_zero() {
        return Err("nothing can be done in no time; leave the flag out for no limit".into());
    }
    Ok(duration)
}

const MORE: &str = "\
Exit codes:
  0    all good
  1    it ran, and some items failed
  2    the command line, the input or the configuration makes no sense
  3    this machine cannot do it: a source address it does not have, too few open files
  130  interrupted twice; the first interrupt finishes what is under way

Configuration, from the lowest layer to the highest:
  built-in defaults, the file of --config, POOL_* variables, flags
  `pool config show` prints every setting and where its value comes from.

Environment:
  POOL_SECTION__KEY  a setting, such as POOL_LIMITS__PER_HOST=32
  POOL_LOG           a log filter, such as pool_core=debug; logs go to stderr";

const FETCH_MORE: &str = "\
Examples:
  pool fetch https://example.com/
  pool fetch -i urls.txt -c 64 --jsonl records.jsonl -o bodies
  pool fetch -i - --jsonl - --warm --source 127.0.2.0/28 \\
      --resolve a.test:443:127.0.1.1,127.0.1.2 < urls.txt
  pool fetch --deny private --deny @bans.txt https://example.com/
  pool fetch -i urls.txt --check /healthz

Every response counts as fetched, whatever its status. Records come in the order in which requests \
end. The default of --max-conns-per-host looks at URLs on the command line only, and looks no name \
up: addresses come from the URL or from --resolve. With -i it is 16.

Exit codes:
  0    all fetched
  1    some failed
  2    bad arguments or empty input
  3    a source address this machine does not have, or too few open files
  130  interrupted twice; the first interrupt finishes what is under way";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn fetch(args: &[&str]) -> FetchArgs {
        let all = ["pool", "fetch"].iter().chain(args);
        match Args::try_parse_from(all).map(|args| args.command) {
            Ok(Command::Fetch(args)) => *args,
            Ok(_) => panic!("another command"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn the_definition_holds_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn curls_short_and_long_flags_mean_what_they_mean_there() {
        let args = fetch(&[
            "-X",
            "PUT",
            "-H",
            "a: b",
            "-d",
            "x",
            "-d",
            "y",
            "-k",
            "-m",
            "2.5",
            "--connect-timeout",
            "0.25",
            "--http1.1",
            "--resolve",
            "a.test:443:127.0.0.1,::1",
            "--cacert",
            "ca.pem",
            "--cert",
            "c.pem",
            "--key",
            "k.pem",
            "https://a.test/",
        ]);
        assert_eq!(args.method.as_deref(), Some("PUT"));
        assert_eq!(args.data, ["x", "y"]);
        assert!(args.network.insecure && args.settings.http1);
        assert_eq!(args.max_time, Some(Duration::from_millis(2500)));
        assert_eq!(
            args.settings.connect_timeout,
            Some(Duration::from_millis(250))
        );
        assert_eq!(args.network.resolve[0].addrs.len(), 2);
    }

    #[test]
    fn seconds_take_units_too_and_nothing_absurd() {
        assert_eq!(parse_seconds("250ms"), Ok(Duration::from_millis(250)));
        for text in ["0", "-1", "NaN", "1e300", "soon", ""] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }

    #[cfg(feature = "hickory")]
    #[test]
    fn dns_servers_have_a_port_or_the_usual_one() {
        for (text, addr) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:5353", "192.0.2.53:5353"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]", "[2001:db8::53]:53"),
            ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        ] {
            assert_eq!(parse_dns_server(text), Ok(addr.parse().unwrap()), "{text}");
        }
        for text in ["", "dns.test", "192.0.2.53:", "192.0.2.53:99999"] {
            assert!(parse_dns_server(text).is_err(), "{text:?}");
        }
        let args = fetch(&["--dns-servers", "192.0.2.1,192.0.2.2:54", "https://a.test/"]);
        assert_eq!(args.network.dns_servers.len(), 2);
    }

    #[test]
    fn absurd_numbers_and_contradictions_are_refused() {
        for args in [
            &["-c", "0"][..],
            &["--max-conns-per-host", "0"],
            &["--max-conns-per-host", "-1"],
            &["--max-time", "-1"],
            &["--http1.1", "--http2"],
            &["--key", "k.pem"],
            &["--source", "127.0.0.0/33"],
            &["--resolve", "a.test:443"],
            &["--deny", "10.0.0.0/33"],
            &["--deny", "10.0.0.1/8"],
            &["--deny", "example.com"],
            &["--allow", "@"],
        ] {
            let all = ["pool", "fetch"].iter().chain(args);
            assert!(Args::try_parse_from(all).is_err(), "{args:?}");
        }
    }
}
