//! Layers over one another, and what is said about bad ones. The environment is tested with the binary.

use std::io::Write;

use super::*;

const AROUND: Circumstances = Circumstances {
    open_files: 1024,
    all_private: false,
    concurrency: None,
};

fn load_with(args: &SettingArgs, around: Circumstances) -> Result<Effective, Failure> {
    load(args, around, &Registry::builtin())
}

/// The configuration of a file with this text, and the name of the file.
fn load_toml(toml: &str, mut args: SettingArgs) -> (Result<Effective, Failure>, String) {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    args.config = Some(file.path().to_owned());
    (load_with(&args, AROUND), file.path().display().to_string())
}

fn refused(toml: &str) -> (String, String, String) {
    let (outcome, file) = load_toml(toml, SettingArgs::default());
    match outcome {
        Err(Failure::Told {
            exit,
            message,
            hint,
        }) => {
            assert_eq!(exit.code(), 2, "{message}");
            (message, hint, file)
        }
        other => panic!("{toml}: {other:?}"),
    }
}

fn origin_of(effective: &Effective, key: &str) -> String {
    let setting = effective.settings.iter().find(|setting| setting.key == key);
    setting.expect(key).origin.to_string()
}

#[test]
fn every_value_knows_its_layer() {
    let args = SettingArgs {
        max_conns_per_host: std::num::NonZeroUsize::new(7),
        ..SettingArgs::default()
    };
    let (effective, file) = load_toml("[limits]\nper_host = 3\ndials_per_host = 2\n", args);
    let effective = effective.unwrap();
    assert_eq!(effective.config.limits.per_host, 7);
    assert_eq!(
        origin_of(&effective, "limits.per_host"),
        "flag --max-conns-per-host"
    );
    assert_eq!(
        origin_of(&effective, "limits.dials_per_host"),
        format!("file {file}")
    );
    assert_eq!(origin_of(&effective, "limits.hosts"), "default");
    assert_eq!(
        origin_of(&effective, "limits.total"),
        "default, from the limit of 1024 open files"
    );
    assert_eq!(origin_of(&effective, "eviction[0].use"), "default");
}

#[test]
fn a_flag_that_is_absent_leaves_the_file_alone() {
    let toml = "protocols = 'http1'\n[limits]\nper_host = 3\n[timeouts]\nconnect = '3s'\n[http2]\nping_interval = 'never'";
    let (effective, _) = load_toml(toml, SettingArgs::default());
    let config = effective.unwrap().config;
    assert_eq!(config.limits.per_host, 3);
    assert_eq!(config.protocols, pool_core::Protocols::Http1);
    assert_eq!(format_duration(config.timeouts.connect), "3s");
    assert_eq!(format_duration(config.http2.ping_interval), "never");
}

#[test]
fn private_targets_and_many_requests_move_the_defaults_and_not_the_users_numbers() {
    let around = Circumstances {
        all_private: true,
        concurrency: Some(5000),
        ..AROUND
    };
    let config = load_with(&SettingArgs::default(), around).unwrap().config;
    assert_eq!(config.limits.per_host, 256);
    assert_eq!(config.limits.waiters_per_host, 5000);

    let (effective, _) = load_toml("[limits]\nper_host = 3\ntotal = 5", SettingArgs::default());
    let limits = effective.unwrap().config.limits;
    assert_eq!((limits.per_host, limits.total), (3, 5));
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_the_nearest() {
    let (message, hint, file) = refused("[limits]\nper_hots = 3");
    assert_eq!(
        message,
        format!("unknown key \"limits.per_hots\" in file {file}; did you mean limits.per_host?")
    );
    assert!(
        hint.starts_with("[limits] has ") && hint.contains("per_host"),
        "{hint}"
    );

    let (message, _, file) = refused("limitz = 3");
    assert_eq!(
        message,
        format!("unknown key \"limitz\" in file {file}; did you mean limits?")
    );
}

#[test]
fn an_unknown_policy_is_named_with_its_file_and_the_nearest() {
    let (message, hint, file) = refused("[[eviction]]\nuse = 'idel'\nafter = '1s'");
    assert!(
        message.starts_with(&format!("eviction[0].use = \"idel\" in file {file}: ")),
        "{message}"
    );
    assert!(message.contains("did you mean \"idle\"?"), "{message}");
    assert!(hint.contains("lifetime"), "{hint}");

    let (message, _, file) = refused("[[eviction]]\nuse = 'uses'");
    assert!(
        message.starts_with(&format!("eviction[0].max = (not set) in file {file}: ")),
        "{message}"
    );
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_its_file() {
    let (message, _, file) = refused("[limits]\nper_host = 0");
    assert!(
        message.starts_with(&format!("limits.per_host = 0 in file {file}: ")),
        "{message}"
    );
    let (message, _, file) = refused("[timeouts]\nconnect = 60");
    assert!(
        message.starts_with(&format!("timeouts.connect in file {file}: ")),
        "{message}"
    );
    let (message, _, file) = refused("[limits\n");
    assert!(
        message.starts_with(&format!("file {file}: ")) && message.contains("line 1"),
        "{message}"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_told_in_the_words_of_the_file() {
    for (toml, says) in [
        (
            "[limits]\nper_host = 'many'",
            "\"many\" is not a number from 0, or \"unlimited\"",
        ),
        (
            "[limits]\nper_host = -3",
            "-3 is not a number from 0, or \"unlimited\"",
        ),
        ("limits = 3", "3 is not a table"),
        ("[dial]\njitter = 'x'", "\"x\" is not a number"),
        ("[[eviction]]\nafter = '1s'", "\"use\" is missing"),
    ] {
        let (message, _, file) = refused(toml);
        assert!(message.ends_with(says), "{message}");
        assert!(message.contains(&format!(" in file {file}: ")), "{message}");
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let args = SettingArgs {
        config: Some("/nowhere/pool.toml".into()),
        ..SettingArgs::default()
    };
    let Err(Failure::Told { exit, message, .. }) = load_with(&args, AROUND) else {
        panic!("it is not there");
    };
    assert_eq!(exit.code(), 2);
    assert!(message.contains("/nowhere/pool.toml"), "{message}");
}

#[test]
fn more_connections_than_files_are_the_environments_fault() {
    for toml in ["[limits]\ntotal = 1000", "[limits]\nper_host = 1000"] {
        let (outcome, _) = load_toml(toml, SettingArgs::default());
        let Err(Failure::Told { exit, message, .. }) = outcome else {
            panic!("{toml}: {outcome:?}");
        };
        assert_eq!(exit.code(), 3, "{message}");
        assert!(
            message.contains("1024") && message.contains("1064"),
            "{message}"
        );
    }
}
