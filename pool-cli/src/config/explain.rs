//! What is wrong with a configuration, as people read it.

use figment::error::{Actual, Kind};
use pool_core::config::{ConfigError, nearest};

use super::Setting;
use super::origin::{Origin, origin};
use crate::exit::Failure;

/// A layer that cannot be read, or does not fit.
pub(super) fn unreadable(error: figment::Error) -> Failure {
    let mut messages = Vec::new();
    let mut hint = None;
    for error in error {
        let (message, what_to_do) = one(&error);
        messages.push(message);
        hint = hint.or(what_to_do);
    }
    let hint = hint
        .unwrap_or_else(|| "`pool config show` prints every setting and how it is written".into());
    Failure::usage(messages.join("\n"), hint)
}

fn one(error: &figment::Error) -> (String, Option<String>) {
    let path = error.path.join(".");
    let place = |key: &str| match origin(error.metadata.as_ref(), key) {
        Origin::Default => String::new(),
        origin => format!(" in {origin}"),
    };
    match &error.kind {
        Kind::UnknownField(field, known) => {
            let parent = match path.strip_suffix(field.as_str()) {
                Some(parent) => parent.trim_end_matches('.'),
                None => &path,
            };
            let full = |name: &str| match parent {
                "" => name.to_owned(),
                parent => format!("{parent}.{name}"),
            };
            let key = full(field);
            let near = nearest(field, known.iter().copied());
            let near: Vec<String> = near.into_iter().map(full).collect();
            let mut message = format!("unknown key {key:?}{}", place(&key));
            if !near.is_empty() {
                message.push_str(&format!("; did you mean {}?", near.join(" or ")));
            }
            let section = match parent {
                "" => "the top level".into(),
                parent => format!("[{parent}]"),
            };
            (message, Some(format!("{section} has {}", known.join(", "))))
        }
        // A file that is no TOML: the message shows the line.
        kind if path.is_empty() => {
            let place = place("");
            let place = place.trim_start_matches(" in ");
            (format!("{place}: {}", kind.to_string().trim_end()), None)
        }
        kind => {
            let key = with_indexes(&error.path);
            (format!("{key}{}: {}", place(&path), wrong(kind)), None)
        }
    }
}

/// `eviction[0].use`, as the other messages have it.
fn with_indexes(path: &[String]) -> String {
    let mut key = String::new();
    for piece in path {
        if piece.parse::<usize>().is_ok() {
            key.push_str(&format!("[{piece}]"));
        } else {
            let dot = if key.is_empty() { "" } else { "." };
            key.push_str(&format!("{dot}{piece}"));
        }
    }
    key
}

/// What is wrong with a value, in words of a configuration file and not of the types that read it.
fn wrong(kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            let found = match found {
                Actual::Str(text) => format!("{text:?}"),
                Actual::Bool(value) => value.to_string(),
                Actual::Unsigned(number) => number.to_string(),
                Actual::Signed(number) => number.to_string(),
                Actual::Float(number) => number.to_string(),
                Actual::Map => "a table".into(),
                Actual::Seq => "a list".into(),
                other => other.to_string(),
            };
            let expected = match expected.as_str() {
                table if table.starts_with("struct ") || table == "a map" => "a table",
                "a sequence" => "a list",
                "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
                "f32" | "f64" => "a number",
                other => other,
            };
            format!("{found} is not {expected}")
        }
        Kind::MissingField(name) => format!("{name:?} is missing"),
        other => other.to_string(),
    }
}

/// A configuration that was read and makes no sense.
pub(super) fn senseless(error: &ConfigError, settings: &[Setting]) -> Failure {
    let messages = error.problems().iter().map(|problem| {
        let setting = settings.iter().find(|setting| setting.key == problem.key);
        // An option that is missing stands nowhere; its policy does.
        let setting = setting.or_else(|| {
            let parent = problem.key.rsplit_once('.')?.0;
            let mut of_policy = settings
                .iter()
                .filter(|setting| setting.key.starts_with(parent));
            of_policy.next()
        });
        let place = setting.map_or_else(String::new, |setting| format!(" in {}", setting.origin));
        format!(
            "{} = {}{place}: {}",
            problem.key, problem.value, problem.wrong
        )
    });
    let fixes = error.problems().iter().map(|problem| problem.fix.as_str());
    Failure::usage(
        messages.collect::<Vec<_>>().join("\n"),
        fixes.collect::<Vec<_>>().join("; "),
    )
}
