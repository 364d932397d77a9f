//! What `pool plan` takes.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args as ClapArgs;
use pool_core::config::parse_duration;

use super::parse_count;

#[derive(ClapArgs)]
#[command(after_long_help = MORE)]
pub(crate) struct PlanArgs {
    /// Requests per second, over all hosts together.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) rate: f64,
    /// How long one request keeps its connection on average, from getting it to the end of the body.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) latency: Duration,
    /// How long one request in a hundred takes or longer [default: 4.6 times the mean].
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) p99: Option<Duration>,
    /// Plans for HTTP/1.1, a request at a time on each connection; the default.
    #[arg(long = "http1.1", alias = "http1", group = "version")]
    pub(crate) http1: bool,
    /// Plans for HTTP/2.
    #[arg(long = "http2", group = "version")]
    pub(crate) http2: bool,
    /// Requests at a time on one HTTP/2 connection, as far as the server allows them [default: 100].
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true, requires = "http2")]
    pub(crate) streams: Option<NonZeroUsize>,

    /// After how many requests the server closes a connection [default: never].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) requests_per_conn: Option<u64>,
    /// After what time a connection is closed, by whichever side, or `never`.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_duration)]
    pub(crate) lifetime: Duration,
    /// After what time without a request a connection is closed, by whichever side, or `never`.
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = parse_duration)]
    pub(crate) idle_close: Duration,
    /// How long it takes to open a connection: name, TCP and TLS.
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = parse_duration)]
    pub(crate) handshake: Duration,

    /// Hosts that share the rate equally.
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) hosts: NonZeroUsize,
    /// Addresses of each host that are to have connections.
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) addresses: NonZeroUsize,
    /// Local addresses that are to have connections to each of them.
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) sources: NonZeroUsize,
    /// Room for arrivals in bunches, in standard deviations of the requests in flight, from 0 to 10.
    #[arg(
        long,
        value_name = "Z",
        default_value = "3",
        allow_negative_numbers = true
    )]
    pub(crate) margin: f64,
    /// Files that the process may have open [default: what this one may].
    #[arg(long, value_name = "N")]
    pub(crate) fd_limit: Option<u64>,

    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

const MORE: &str = "\
Examples:
  pool plan --rate 2000 --latency 80ms --requests-per-conn 1000
  pool plan --rate 2000 --latency 80ms --p99 200ms --http2 --streams 100 --addresses 8 --sources 4
  pool plan --rate 500 --latency 250ms --hosts 20 > pool.toml && pool config show --config pool.toml

The output is a configuration file: the calculation as comments, then the limits. Nothing is \
connected to. A margin of 3 leaves at least 998 of 1000 independent arrivals a free connection; it \
does not cover requests that come together for a reason, such as retries or a full hour. The \
defaults of --lifetime and --idle-close are the pool's own policies.

Exit codes:
  0    the plan fits the limit of open files
  1    it does not; the output says what would
  2    bad arguments";
