use std::io::Write;

use clap::{Args as _, Command, FromArgMatches};
use pool_core::config::format_duration;
use pool_core::{Config, Registry};

use super::sheet::number;
use super::*;
use crate::args::SettingArgs;
use crate::config::{self, Circumstances};

fn args(flags: &[&str]) -> PlanArgs {
    let command = PlanArgs::augment_args(Command::new("plan").no_binary_name(true));
    let always = ["--rate", "2000", "--latency", "80ms", "--fd-limit", "1024"];
    let matches = command.try_get_matches_from(always.iter().chain(flags));
    let matches = matches.unwrap_or_else(|error| panic!("{error}"));
    PlanArgs::from_arg_matches(&matches).expect("defined by the same type")
}

fn text(flags: &[&str]) -> String {
    let args = args(flags);
    let plan = demand(&args, 0).plan().expect("it makes sense");
    sheet::text(&args, &plan, &plan.limits(&Limits::default()))
}

/// The formula and the result of a row.
#[track_caller]
fn row<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| {
        let rest = line.strip_prefix("#   ")?.strip_prefix(name)?;
        rest.starts_with("  ").then(|| rest.trim())
    });
    line.unwrap_or_else(|| panic!("{name:?} is not in\n{text}"))
}

#[test]
fn every_line_can_be_checked_by_hand() {
    let text = text(&["--requests-per-conn", "1000"]);
    for (name, formula, result) in [
        ("requests in flight", "2000/s × 0.08 s", "160  law"),
        ("slots for them", "160 + 3·√160 + 1.5", "200  estimate"),
        (
            "open connections",
            "200 slots / 1 per connection",
            "200  estimate",
        ),
        (
            "find no free slot",
            "Erlang C of 160 in 200",
            "0.138 %  estimate",
        ),
        ("closed by count", "2000/s / 1000, per second", "2  law"),
        ("closed by age", "200 connections / 10m", "0.333  estimate"),
        (
            "closed by idleness",
            "39.45 beyond the mean load / 1m30s",
            "0.438  estimate",
        ),
        ("dials per second", "the sum", "2.77  estimate"),
        ("dials in flight", "2.77/s × 0.1 s", "0.277  estimate"),
        ("places for them", "0.277 + 3·√0.277", "2  estimate"),
        ("wait for a dial", "2.77/s / 2000/s", "0.139 %  estimate"),
        ("connections", "200 + 2", "202  estimate"),
        ("dials at a time", "a quarter of 202", "51  estimate"),
        ("open files", "202 + 64", "266  estimate"),
    ] {
        let row = row(&text, name);
        assert!(row.contains(formula) && row.ends_with(result), "{row}");
    }
}

#[test]
fn what_is_printed_is_a_configuration_with_the_limits_of_the_plan() {
    for flags in [
        &[][..],
        &[
            "--http2",
            "--streams",
            "50",
            "--addresses",
            "8",
            "--sources",
            "2",
        ],
        &["--requests-per-conn", "10", "--hosts", "3", "--p99", "1s"],
        &["--hosts", "20000", "--margin", "0"],
    ] {
        let plan = demand(&args(flags), 0).plan().expect("it makes sense");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text(flags).as_bytes()).unwrap();
        let settings = SettingArgs {
            config: Some(file.path().to_owned()),
            ..SettingArgs::default()
        };
        let around = Circumstances {
            open_files: 1 << 20,
            all_private: false,
            concurrency: None,
        };
        let loaded = config::load(&settings, around, &Registry::builtin());
        let config = loaded
            .unwrap_or_else(|failure| panic!("{flags:?}: {failure:?}"))
            .config;
        assert_eq!(config.limits, plan.limits(&Limits::default()), "{flags:?}");
    }
}

#[test]
fn pairs_and_hosts_have_rows_where_there_are_several() {
    let several = text(&["--hosts", "4", "--addresses", "8", "--http2"]);
    assert!(row(&several, "requests per second").contains("2000 / 4 hosts"));
    assert!(row(&several, "for each pair").contains("over 8 addresses from 1 source"));
    assert!(several.contains("streams_per_conn = 100\n"), "{several}");
    let one = text(&["--lifetime", "never", "--idle-close", "never"]);
    assert!(
        !one.contains("for each pair") && !one.contains("closed by"),
        "{one}"
    );
    assert!(!one.contains("streams_per_conn"), "{one}");
}

#[test]
fn the_defaults_of_closing_are_the_policies_of_the_pool() {
    let args = args(&[]);
    let policies = Config::default().eviction;
    let option = |policy: &str, option: &str| {
        let policy = policies.iter().find(|named| named.use_ == policy);
        let text = &policy.expect("a default policy").options[option];
        let duration = pool_core::config::parse_duration(text);
        format_duration(duration.expect("a duration"))
    };
    assert_eq!(format_duration(args.lifetime), option("lifetime", "max"));
    assert_eq!(format_duration(args.idle_close), option("idle", "after"));
}

#[test]
fn numbers_keep_three_digits_and_no_zeros() {
    for (value, text) in [
        (160.0, "160"),
        (160.04, "160"),
        (1234.56, "1234.6"),
        (2.5, "2.5"),
        (0.08, "0.08"),
        (0.277_123, "0.277"),
        (0.001_377, "0.00138"),
        (0.0, "0"),
    ] {
        assert_eq!(number(value), text);
    }
    for (value, text) in [
        (1288.1, "1280"),
        (999.9, "999"),
        (12.39, "12.3"),
        (0.012_39, "0.0123"),
    ] {
        assert_eq!(number_below(value), text);
    }
}

#[test]
fn each_error_names_the_flag() {
    let error = demand(&args(&["--margin", "NaN"]), 0).plan().unwrap_err();
    let Failure::Told {
        exit,
        message,
        hint,
    } = senseless(&error)
    else {
        panic!("it is told");
    };
    assert_eq!(exit, Exit::Usage);
    assert!(message.starts_with("--margin: NaN"), "{message}");
    assert!(hint.contains("0 to 10"), "{hint}");
    let error = demand(&args(&["--requests-per-conn", "0"]), 0).plan();
    let Failure::Told { message, .. } = senseless(&error.unwrap_err()) else {
        panic!("it is told");
    };
    assert!(message.starts_with("--requests-per-conn: "), "{message}");
}
