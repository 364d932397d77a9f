//! Where each value of a configuration comes from.

use std::fmt;
use std::path::PathBuf;

use figment::value::{Tag, Value};
use figment::{Figment, Source};
use serde::Serialize;

use super::ENV;
use super::layer::{DERIVED, FLAG};

/// One value by its key, such as `limits.per_host` or `eviction[0].use`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    /// What stands before the name in the key: `limits`, `eviction[0]`, or nothing.
    #[serde(skip)]
    pub(crate) section: String,
    /// The last piece of the key, which may have dots of its own.
    #[serde(skip)]
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) value: serde_json::Value,
    pub(crate) origin: Origin,
}

/// Where a path is that `key` is set to: beside the configuration file, if it was written there.
pub(super) fn beside(settings: &[Setting], key: &str, path: &str) -> String {
    let setting = settings.iter().find(|setting| setting.key == key);
    match setting.map(|setting| &setting.origin) {
        Some(Origin::File(file)) => {
            // By components, so that `./` is gone.
            let beside: PathBuf = file.with_file_name(path).components().collect();
            beside.display().to_string()
        }
        _ => path.to_owned(),
    }
}

/// The layer a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "layer", content = "name")]
pub(crate) enum Origin {
    /// Built in.
    Default,
    /// A default that follows from this.
    Derived(String),
    /// The file of `--config`.
    File(PathBuf),
    /// This variable.
    Env(String),
    /// This flag.
    Flag(String),
}

impl Origin {
    /// Whether the user said so.
    pub(crate) fn is_users(&self) -> bool {
        !matches!(self, Self::Default | Self::Derived(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Derived(from) => write!(f, "default, from {from}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// Every value of `root`, which `figment` made, in the order of the keys, those of a table before the tables in it.
pub(super) fn settings(figment: &Figment, root: &Value) -> Vec<Setting> {
    let mut found = Vec::new();
    collect(figment, ("", ""), root, &mut found);
    found
}

/// The origin that figment's metadata describe, for the value at `key`.
pub(super) fn origin(metadata: Option<&figment::Metadata>, key: &str) -> Origin {
    let Some(metadata) = metadata else {
        return Origin::Default;
    };
    match (&*metadata.name, &metadata.source) {
        (_, Some(Source::File(path))) => Origin::File(path.clone()),
        (DERIVED, Some(Source::Custom(from))) => Origin::Derived(from.clone()),
        (FLAG, Some(Source::Custom(flag))) => Origin::Flag(flag.clone()),
        (name, _) if name.contains("environment") => {
            // A list comes from one variable.
            let key = key.split('[').next().unwrap_or(key);
            Origin::Env(format!("{ENV}{}", key.to_uppercase().replace('.', "__")))
        }
        _ => Origin::Default,
    }
}

fn collect(
    figment: &Figment,
    (section, name): (&str, &str),
    value: &Value,
    found: &mut Vec<Setting>,
) {
    let dot = if section.is_empty() { "" } else { "." };
    let key = format!("{section}{dot}{name}");
    match value {
        Value::Dict(_, dict) => {
            // What is in no table of its own comes first, as in a file it must.
            let (tables, values): (Vec<_>, Vec<_>) =
                dict.iter().partition(|(_, value)| is_table(value));
            for (name, value) in values.into_iter().chain(tables) {
                collect(figment, (&key, name), value, found);
            }
        }
        Value::Array(_, items) if is_table(value) => {
            for (i, item) in items.iter().enumerate() {
                collect(figment, (section, &format!("{name}[{i}]")), item, found);
            }
        }
        _ => found.push(Setting {
            section: section.into(),
            name: name.into(),
            origin: origin(figment.get_metadata(tag(value)), &key),
            value: if is_secret(name) {
                "***".into()
            } else {
                // Only maps can be refused, for keys that are no text.
                serde_json::to_value(value).unwrap_or_default()
            },
            key,
        }),
    }
}

/// Whether it is a table in a file, or several.
fn is_table(value: &Value) -> bool {
    match value {
        Value::Dict(..) => true,
        Value::Array(_, items) => items.iter().any(|item| item.as_dict().is_some()),
        _ => false,
    }
}

/// Headers of a health check that are nobody's business.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let secrets = [
        "header.authorization",
        "header.cookie",
        "header.proxy-authorization",
    ];
    secrets.contains(&name.as_str())
}

/// A list has its items' tag: merging layers gives it none of its own.
fn tag(value: &Value) -> Tag {
    match value {
        Value::Array(_, items) => items.first().map_or_else(|| value.tag(), Value::tag),
        _ => value.tag(),
    }
}
