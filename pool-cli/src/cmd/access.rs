//! `pool access`: files of access rules, asked, shown and changed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pool_core::config::format_duration;
use pool_health::{
    AccessAction, AccessContext, AccessRule, IpPrefix, Moment, PrefixList, format_rules,
};
use serde::Serialize;

use crate::args::{AccessCommand, CheckAddrArgs};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Versioned, printable};
use crate::rules::edit::{Edits, until};
use crate::rules::file::{RuleFile, Unreadable};
use crate::rules::{self, store};

/// Does what the subcommand asks for.
pub(crate) fn run(command: &AccessCommand) -> Result<Exit, Failure> {
    match command {
        AccessCommand::Check(args) => check(args),
        AccessCommand::List { file, json } => list(file, *json),
        AccessCommand::Add {
            file,
            prefix,
            lasting,
            reason,
            allow,
        } => {
            let action = if *allow {
                AccessAction::Allow
            } else {
                AccessAction::Deny
            };
            let mut rule = AccessRule::new(action, *prefix).reason(reason);
            if let Some(lasting) = *lasting {
                rule = rule.lasting(lasting, rules::now().instant);
            }
            add(file, rule)
        }
        AccessCommand::Remove { file, prefix } => remove(file, *prefix),
    }
}

/// One rule, as `--json` has it.
#[derive(Serialize)]
struct RuleRecord {
    action: &'static str,
    prefix: String,
    /// In UTC; null if it stays until it is removed.
    until: Option<String>,
    left_s: Option<u64>,
    reason: String,
}

impl RuleRecord {
    fn new(rule: &AccessRule, now: Moment) -> Self {
        let left = left(rule, now);
        Self {
            action: rule.action.as_str(),
            prefix: rule.prefix.to_string(),
            until: until(rule, now),
            left_s: left.map(|left| left.as_secs()),
            reason: rule.reason.to_string(),
        }
    }
}

fn left(rule: &AccessRule, now: Moment) -> Option<Duration> {
    let left = rule.expires?.saturating_duration_since(now.instant);
    // What holds has some time left.
    Some(Duration::from_secs(left.as_secs().max(1)))
}

#[derive(Serialize)]
struct CheckRecord {
    addr: String,
    allowed: bool,
    /// Null if no rule has the address, which is allowed then.
    rule: Option<RuleRecord>,
    source: Option<String>,
}

fn check(args: &CheckAddrArgs) -> Result<Exit, Failure> {
    let all = PrefixList::default();
    for path in &args.files {
        all.replace(&path.display().to_string(), read(path)?);
    }
    let now = rules::now();
    let target = SocketAddr::new(args.addr, 443);
    let found = all.rule_for(&AccessContext::new(target, "", now.instant));
    let allowed = found
        .as_ref()
        .is_none_or(|(_, rule)| rule.action == AccessAction::Allow);
    let mut stdout = Output::stdout();
    if args.json {
        stdout.json(&Versioned::new(CheckRecord {
            addr: args.addr.to_string(),
            allowed,
            rule: found.as_ref().map(|(_, rule)| RuleRecord::new(rule, now)),
            source: found.map(|(source, _)| source.to_string()),
        }))?;
    } else {
        let word = if allowed { "allowed" } else { "denied" };
        let why = match &found {
            Some((source, rule)) => format!("{} of {source}{}", rule.prefix, ending(rule, now)),
            None => "no rule, for none has it".to_owned(),
        };
        stdout.line(&printable(&format!("{}: {word} by {why}", args.addr)))?;
    }
    Ok(if allowed {
        Exit::AllGood
    } else {
        Exit::SomeFailed
    })
}

#[derive(Serialize)]
struct ListRecord {
    file: String,
    rules: Vec<RuleRecord>,
}

fn list(path: &Path, json: bool) -> Result<Exit, Failure> {
    // Of several lines for one prefix the last one counts, and the list sorts them.
    let all = PrefixList::default();
    all.replace("file", read(path)?);
    let now = rules::now();
    let mut found = all.export("file");
    found.retain(|rule| !rule.is_expired(now.instant));
    let mut stdout = Output::stdout();
    if json {
        stdout.json(&Versioned::new(ListRecord {
            file: path.display().to_string(),
            rules: found
                .iter()
                .map(|rule| RuleRecord::new(rule, now))
                .collect(),
        }))?;
        return Ok(Exit::AllGood);
    }
    let mut text = String::new();
    for rule in &found {
        let line = format!("{} {}{}", rule.action, rule.prefix, ending(rule, now));
        text += &printable(&line);
        text.push('\n');
    }
    stdout.write(text.as_bytes())?;
    Ok(Exit::AllGood)
}

/// How long it holds, and why.
fn ending(rule: &AccessRule, now: Moment) -> String {
    let left = left(rule, now).map(|left| format!(", {} left", format_duration(left)));
    let reason = Some(&rule.reason).filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(": {reason}"));
    left.unwrap_or_default() + &reason.unwrap_or_default()
}

fn add(path: &Path, rule: AccessRule) -> Result<Exit, Failure> {
    let line = format_rules([&rule], rules::now());
    let edits = Edits {
        put: vec![rule],
        ..Edits::default()
    };
    store::update(&file(path), &edits).map_err(|error| unchanged(path, &error))?;
    Output::stdout().write(line.as_bytes())?;
    Ok(Exit::AllGood)
}

fn remove(path: &Path, prefix: IpPrefix) -> Result<Exit, Failure> {
    // A file that is not there is not made for this.
    read(path)?;
    let edits = Edits {
        remove: vec![prefix],
        ..Edits::default()
    };
    let updated = store::update(&file(path), &edits).map_err(|error| unchanged(path, &error))?;
    let mut left = updated.loaded.rules.iter();
    if left.any(|rule| rule.prefix == prefix) {
        return Err(Failure::item(
            format!(
                "{prefix} is in {} by a word that stands for several",
                path.display()
            ),
            "`private` and `all` are removed by hand; or add `--allow` for this prefix",
        ));
    }
    if updated.removed == 0 {
        return Err(Failure::item(
            format!("{} has no rule for {prefix}", path.display()),
            "`pool access list` prints the prefixes that it has",
        ));
    }
    Ok(Exit::AllGood)
}

fn file(path: &Path) -> RuleFile {
    RuleFile {
        path: PathBuf::from(path),
        unsaid: AccessAction::Deny,
    }
}

fn read(path: &Path) -> Result<Vec<AccessRule>, Failure> {
    let read = file(path).read();
    let loaded = read.map_err(|error| Failure::usage(error.at(path), hint(&error)))?;
    Ok(loaded.rules)
}

fn unchanged(path: &Path, error: &Unreadable) -> Failure {
    Failure::usage(
        format!("nothing was changed: {}", error.at(path)),
        hint(error),
    )
}

/// What to do about a file that gives no rules.
pub(crate) fn hint(error: &Unreadable) -> &'static str {
    match error {
        Unreadable::Io(_) => "give a text file with one rule on each line",
        Unreadable::Rules(_) => {
            "a line is `deny 192.0.2.0/24 # reason`, `allow 192.0.2.9` or an address; it may end, with `for=10m` or `until=TIME`"
        }
    }
}
