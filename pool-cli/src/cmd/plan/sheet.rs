//! A plan for people: a configuration file whose comments show the calculation.

use pool_core::capacity::{Figure, Fit, Plan};
use pool_core::config::{Limits, format_duration};

use super::report::basis;
use super::streams;
use crate::args::PlanArgs;

/// The calculation, line by line, as comments, and then the limits.
pub(super) fn text(args: &PlanArgs, plan: &Plan, limits: &Limits) -> String {
    let mut sheet = Sheet::default();
    sheet.heading("per host", "formula");
    load(&mut sheet, args, plan);
    dials(&mut sheet, args, plan);
    bursts(&mut sheet, args, plan);
    sheet.heading("in all", "");
    totals(&mut sheet, args, plan);

    let version = if args.http2 { "HTTP/2" } else { "HTTP/1.1" };
    let mut text = format!(
        "# {} over {version}, {} on average, to {}, with a margin of z = {}.\n#\n",
        counted(args.rate, "request per second", "requests per second"),
        format_duration(args.latency),
        counted(args.hosts.get() as f64, "host", "hosts"),
        number(args.margin),
    );
    text.push_str(&sheet.text());
    text.push_str(EXPLANATION);
    if let Fit::TooFewFiles {
        needed, available, ..
    } = plan.fit
    {
        text.push_str(&format!(
            "#\n# DOES NOT FIT: it needs {needed} open files, and there are {available}.\n"
        ));
    }
    text.push('\n');
    text.push_str(&toml(args, limits));
    text
}

fn load(sheet: &mut Sheet, args: &PlanArgs, plan: &Plan) {
    let rate = number(plan.rate_per_host.value);
    let in_flight = number(plan.in_flight.value);
    let z = number(args.margin);
    let streams = streams(args);
    if args.hosts.get() > 1 {
        let formula = format!("{} / {} hosts", number(args.rate), args.hosts);
        sheet.row("requests per second", formula, &rate, plan.rate_per_host);
    }
    let seconds = number(args.latency.as_secs_f64());
    let formula = format!("L = rate × latency = {rate}/s × {seconds} s");
    sheet.row("requests in flight", formula, &in_flight, plan.in_flight);
    let skew = number(args.margin * args.margin / 6.0);
    let formula = format!("L + z·√L + z²/6 = {in_flight} + {z}·√{in_flight} + {skew}");
    sheet.count("slots for them", formula, plan.slots);
    let formula = format!("{} slots / {streams} per connection", plan.slots.value);
    sheet.count("open connections", formula, plan.open);
    let formula = format!(
        "Erlang C of {in_flight} in {}",
        plan.open.value.saturating_mul(streams)
    );
    let share = percent(plan.waiting_share.value);
    sheet.row("find no free slot", formula, &share, plan.waiting_share);
}

fn dials(sheet: &mut Sheet, args: &PlanArgs, plan: &Plan) {
    let rate = number(plan.rate_per_host.value);
    for (name, formula, figure) in [
        (
            "closed by count",
            format!("{rate}/s / {}", args.requests_per_conn.unwrap_or(0)),
            plan.closed_by_requests,
        ),
        (
            "closed by age",
            format!(
                "{} / {}",
                counted(
                    (plan.closed_by_age.value * args.lifetime.as_secs_f64()).round(),
                    "connection",
                    "connections"
                ),
                format_duration(args.lifetime)
            ),
            plan.closed_by_age,
        ),
        (
            "closed by idleness",
            format!(
                "{} beyond the mean load / {}",
                number(plan.closed_by_idleness.value * args.idle_close.as_secs_f64()),
                format_duration(args.idle_close)
            ),
            plan.closed_by_idleness,
        ),
    ] {
        if figure.value > 0.0 {
            sheet.row(
                name,
                format!("{formula}, per second"),
                &number(figure.value),
                figure,
            );
        }
    }
    let dials = number(plan.dials_per_second.value);
    let formula = "the sum, and no more than requests".to_owned();
    sheet.row("dials per second", formula, &dials, plan.dials_per_second);
    let handshake = number(args.handshake.as_secs_f64());
    let dialling = number(plan.dialling.value);
    let formula = format!("D = dials × handshake = {dials}/s × {handshake} s");
    sheet.row("dials in flight", formula, &dialling, plan.dialling);
    let formula = format!(
        "D + z·√D = {dialling} + {}·√{dialling}",
        number(args.margin)
    );
    sheet.count("places for them", formula, plan.dial_places);
    let share = percent(plan.dialling_share.value);
    let formula = format!("at most {dials}/s / {rate}/s");
    sheet.row("wait for a dial", formula, &share, plan.dialling_share);

    let (open, places) = (plan.open.value, plan.dial_places.value);
    let (addresses, sources) = (args.addresses, args.sources);
    let formula = format!(
        "{open} + {places} over {} from {}",
        counted(addresses.get() as f64, "address", "addresses"),
        counted(sources.get() as f64, "source", "sources"),
    );
    if addresses.get() * sources.get() > 1 {
        sheet.count("for each pair", formula, plan.per_cell);
        let formula = format!("{} × {addresses} × {sources}", plan.per_cell.value);
        sheet.count("connections", formula, plan.per_host);
    } else {
        sheet.count("connections", format!("{open} + {places}"), plan.per_host);
    }
}

fn bursts(sheet: &mut Sheet, args: &PlanArgs, plan: &Plan) {
    let formula = format!(
        "a quarter of {}, so that a cold host is open in 4 rounds, at least 8",
        plan.per_host.value
    );
    sheet.count("dials at a time", formula, plan.dials_per_host);
    let seconds = args.handshake.as_secs_f64();
    let formula = if seconds > 0.0 {
        let rounds = (plan.cold_start.value.as_secs_f64() / seconds).round();
        let rounds = counted(rounds, "round", "rounds");
        format!("{rounds} of {} s to open all of them", number(seconds))
    } else {
        "handshakes take no time".into()
    };
    let cold = number(plan.cold_start.value.as_secs_f64());
    sheet.row("cold start", formula, &format!("{cold} s"), plan.cold_start);
    let formula = match args.p99 {
        Some(_) => "p99",
        None => "4.6 × latency, an exponential distribution's p99",
    };
    let stall = number(plan.stall.value.as_secs_f64());
    sheet.row("stall", formula.into(), &format!("{stall} s"), plan.stall);
    let longer = plan.cold_start.value.max(plan.stall.value);
    let formula = format!(
        "arrivals in the longer one: {}/s × {} s, and the margin",
        number(plan.rate_per_host.value),
        number(longer.as_secs_f64())
    );
    sheet.count("waiters", formula, plan.waiters_per_host);
}

fn totals(sheet: &mut Sheet, args: &PlanArgs, plan: &Plan) {
    let per_host = plan.per_host.value;
    let hosts = counted(args.hosts.get() as f64, "host", "hosts");
    sheet.count("connections", format!("{per_host} × {hosts}"), plan.in_all);
    let available = match plan.fit {
        Fit::Fits { available } | Fit::TooFewFiles { available, .. } => {
            format!(", of {available}")
        }
        _ => String::new(),
    };
    let in_all = plan.in_all.value;
    let formula = format!("{in_all} + 64 for everything else{available}");
    let files = plan.open_files.value.to_string();
    sheet.row("open files", formula, &files, plan.open_files);
    let bytes = plan.heap_bytes.value;
    let each = bytes / in_all as u64 / 1024;
    let formula = format!("{in_all} × {each} KiB, as measured on idle ones");
    let heap = format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0);
    sheet.row("client heap", formula, &heap, plan.heap_bytes);
}

/// The settings that the plan makes, and no others.
fn toml(args: &PlanArgs, limits: &Limits) -> String {
    let mut settings = vec![
        ("per_host", limits.per_host),
        ("total", limits.total),
        ("dials_per_host", limits.dials_per_host),
        ("dials_total", limits.dials_total),
        ("waiters_per_host", limits.waiters_per_host),
        ("waiters_total", limits.waiters_total),
    ];
    if args.http2 {
        settings.push(("streams_per_conn", limits.streams_per_conn));
    }
    if limits.hosts != Limits::default().hosts {
        settings.push(("hosts", limits.hosts));
    }
    let lines = settings
        .iter()
        .map(|(key, value)| format!("{key} = {value}\n"));
    format!("[limits]\n{}", lines.collect::<String>())
}

/// The calculation as rows of four columns.
#[derive(Default)]
struct Sheet {
    rows: Vec<[String; 4]>,
}

impl Sheet {
    fn heading(&mut self, name: &str, formula: &str) {
        if !self.rows.is_empty() {
            self.rows.push(Default::default());
        }
        let result = if formula.is_empty() { "" } else { "result" };
        self.rows
            .push([name, formula, result, ""].map(str::to_owned));
    }

    fn count(&mut self, name: &str, formula: String, figure: Figure<usize>) {
        self.row(name, formula, &figure.value.to_string(), figure);
    }

    fn row<T>(&mut self, name: &str, formula: String, result: &str, figure: Figure<T>) {
        let note = basis(figure.basis);
        self.rows
            .push([name.into(), formula, result.into(), note.into()]);
    }

    fn text(&self) -> String {
        let width = |column: usize| {
            let widths = self.rows.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or(0)
        };
        let [names, formulas, results] = [0, 1, 2].map(width);
        let mut text = String::new();
        for [name, formula, result, note] in &self.rows {
            let line =
                format!("#   {name:names$}  {formula:formulas$}  {result:>results$}  {note}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Three significant digits at least, and no zeros at the end.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => return "0".into(),
        value if value >= 100.0 => 1,
        value if value >= 1.0 => 2,
        value => (2.0 - value.log10().floor()) as usize,
    };
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.into()
}

/// Three significant digits, and never more than the value.
pub(super) fn number_below(value: f64) -> String {
    let unit = 10_f64.powf(value.log10().floor() - 2.0);
    number((value / unit).floor() * unit)
}

fn percent(share: f64) -> String {
    if share > 0.0 && share < 1e-5 {
        return "< 0.001 %".into();
    }
    format!("{} %", number(share * 100.0))
}

fn counted(count: f64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        number(count),
        if count == 1.0 { one } else { many }
    )
}

const EXPLANATION: &str = "\
#
# law: holds for any distribution of arrivals and latencies, in the long run. estimate: for arrivals that do not depend
# on each other; not for a full hour, retries, or latencies that grow with the load.
";
