//! Rules as files have them: one a line.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::prefix::ParsePrefixError;
use super::{AccessAction, AccessRule, IpPrefix};
use crate::options::parse_duration;
use crate::utc;

/// One moment on both clocks: files know the time of day, rules a clock that never jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "there are these two clocks, and whoever calls names both"
)]
pub struct Moment {
    /// Now, as rules count it.
    pub instant: Instant,
    /// Now, as people write it.
    pub utc: SystemTime,
}

/// Reads rules, one a line:
///
/// ```text
/// # a comment, and an empty line:
///
/// deny 192.0.2.0/24
/// deny 198.51.100.7 for=10m                     # this is the rule's reason
/// deny 2001:db8::/32 until=2030-01-31T12:00:00Z
/// allow 192.0.2.9
/// deny private
/// 203.0.113.5
/// ```
///
/// A line is `allow` or `deny` (which may be left out of a denial, as lists of bad addresses do), then an address, a prefix, `all` or
/// `private` ([`IpPrefix::PRIVATE`]; a line that names one of those prefixes goes before), then perhaps how long it holds. `for=` counts from `now`; `until=` is a time of day in UTC, which means the
/// same however often the file is read. Without either the rule holds until it is removed. What follows `#` or `;` is the rule's reason.
/// What has expired already is among the rules, so that its end is reported once.
///
/// # Errors
///
/// All lines that could not be read, or that contradict an earlier one; then no rule counts, because half a list of denials is a hole.
pub fn parse_rules(text: &str, now: Moment) -> Result<Vec<AccessRule>, ParseRulesError> {
    parse_rules_as(AccessAction::Deny, text, now)
}

/// As [`parse_rules`], and a line without an action means this one: a list of good addresses has no word before each either.
///
/// # Errors
///
/// As [`parse_rules`].
pub fn parse_rules_as(
    unsaid: AccessAction,
    text: &str,
    now: Moment,
) -> Result<Vec<AccessRule>, ParseRulesError> {
    let (mut named, mut own) = (Numbered::default(), Numbered::default());
    let mut errors = Vec::new();
    let mut reason = Arc::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        match parse_line(line, unsaid, now, &mut reason) {
            Ok(parsed) => {
                // The words stand for several prefixes each.
                let target = if parsed.len() > 1 {
                    &mut named
                } else {
                    &mut own
                };
                target.rules.extend(parsed);
                target.lines.resize(target.rules.len(), number);
            }
            Err(problem) => errors.push(RuleError {
                line: number,
                problem,
            }),
        }
    }
    errors.extend(named.contradictions());
    errors.extend(own.contradictions());
    errors.sort_by_key(|error| error.line);
    if !errors.is_empty() {
        return Err(ParseRulesError { errors });
    }
    // Of two rules for one prefix the last one stays: the one that names it.
    named.rules.append(&mut own.rules);
    Ok(named.rules)
}

/// Writes rules in a way that [`parse_rules`] reads, sorted as they come: `until=` for those that end, in whole seconds, rounded up.
///
/// Rules that have expired at `now` are left out, and those that end after the year 9999 do not end.
pub fn format_rules<'a>(rules: impl IntoIterator<Item = &'a AccessRule>, now: Moment) -> String {
    let mut text = String::new();
    for rule in rules {
        if rule.is_expired(now.instant) {
            continue;
        }
        let until = rule.expires.and_then(|at| {
            let rest = at.saturating_duration_since(now.instant);
            utc::format(now.utc.checked_add(rest)?)
        });
        let AccessRule {
            prefix,
            action,
            reason,
            ..
        } = rule;
        write!(text, "{action} {prefix}").expect("a string takes everything");
        if let Some(until) = until {
            write!(text, " until={until}").expect("a string takes everything");
        }
        if !reason.is_empty() {
            write!(text, " # {reason}").expect("a string takes everything");
        }
        text.push('\n');
    }
    text
}

/// The rules of one line, none if it is empty. `reason` is the latest reason, shared when it is the same again.
fn parse_line(
    line: &str,
    unsaid: AccessAction,
    now: Moment,
    reason: &mut Arc<str>,
) -> Result<Vec<AccessRule>, Problem> {
    let (line, comment) = match line.find(['#', ';']) {
        Some(at) => (&line[..at], line[at + 1..].trim()),
        None => (line, ""),
    };
    let mut words = line.split_whitespace().peekable();
    let Some(&first) = words.peek() else {
        return Ok(Vec::new());
    };
    let action = AccessAction::parse(first);
    if action.is_some() {
        words.next();
    }
    let word = words.next().ok_or(Problem::NoPrefix)?;
    let prefixes = IpPrefix::named(word).map_err(Problem::Prefix)?;
    let mut expires = None;
    if let Some(word) = words.next() {
        expires = parse_end(word, now)?;
    }
    if let Some(word) = words.next() {
        return Err(Problem::Surplus(word.to_owned()));
    }
    if **reason != *comment {
        *reason = AccessRule::deny(IpPrefix::ALL[0]).reason(comment).reason;
    }
    let rule = |&prefix: &IpPrefix| {
        let mut rule = AccessRule::new(action.unwrap_or(unsaid), prefix);
        rule.expires = expires;
        rule.reason = Arc::clone(reason);
        rule
    };
    Ok(prefixes.iter().map(rule).collect())
}

/// When a rule ends; `None` if no clock reaches it.
fn parse_end(word: &str, now: Moment) -> Result<Option<Instant>, Problem> {
    let surplus = || Problem::Surplus(word.to_owned());
    let (key, value) = word.split_once('=').ok_or_else(surplus)?;
    match key {
        "for" => {
            let ttl = parse_duration(value).filter(|ttl| !ttl.is_zero());
            let ttl = ttl.ok_or_else(|| Problem::Duration(word.to_owned()))?;
            Ok(now.instant.checked_add(ttl))
        }
        "until" => {
            let at = utc::parse(value).ok_or_else(|| Problem::Time(word.to_owned()))?;
            // Over already, at which time does not matter any more.
            let rest = at.duration_since(now.utc).unwrap_or(Duration::ZERO);
            Ok(now.instant.checked_add(rest))
        }
        _ => Err(surplus()),
    }
}

/// Rules, each with its line.
#[derive(Default)]
struct Numbered {
    rules: Vec<AccessRule>,
    lines: Vec<usize>,
}

impl Numbered {
    /// The lines that say the opposite of an earlier one about the same prefix.
    fn contradictions(&self) -> Vec<RuleError> {
        let prefix = |at: usize| self.rules[at].prefix;
        let mut order: Vec<usize> = (0..self.rules.len()).collect();
        order.sort_unstable_by_key(|&at| (prefix(at), at));
        let pairs = order.windows(2).map(|pair| (pair[0], pair[1]));
        pairs
            .filter(|&(a, b)| {
                prefix(a) == prefix(b) && self.rules[a].action != self.rules[b].action
            })
            .map(|(a, b)| RuleError {
                line: self.lines[b],
                problem: Problem::Contradiction {
                    prefix: prefix(b),
                    line: self.lines[a],
                },
            })
            .collect()
    }
}

impl IpPrefix {
    /// The prefixes that a word of a file or an option stands for.
    pub(super) fn named(word: &str) -> Result<Vec<Self>, ParsePrefixError> {
        match word {
            "all" => Ok(Self::ALL.to_vec()),
            "private" => Ok(Self::PRIVATE.to_vec()),
            _ => word.parse().map(|prefix| vec![prefix]),
        }
    }
}

/// Lines that are no rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseRulesError {
    /// At least one, by line.
    errors: Vec<RuleError>,
}

impl ParseRulesError {
    /// Each of them, first line first.
    pub fn errors(&self) -> &[RuleError] {
        &self.errors
    }
}

impl fmt::Display for ParseRulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, others) = self.errors.split_first().expect("there is at least one");
        first.fmt(f)?;
        match others.len() {
            0 => Ok(()),
            1 => f.write_str(" (and one more line)"),
            more => write!(f, " (and {more} more lines)"),
        }
    }
}

impl Error for ParseRulesError {}

/// One line that is no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    line: usize,
    problem: Problem,
}

impl RuleError {
    /// The line, counted from 1.
    pub const fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl Error for RuleError {}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    NoPrefix,
    Prefix(ParsePrefixError),
    Duration(String),
    Time(String),
    Surplus(String),
    Contradiction { prefix: IpPrefix, line: usize },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrefix => f.write_str(
                "an address, a prefix, \"all\" or \"private\" is missing after the action",
            ),
            Self::Prefix(error) => error.fmt(f),
            Self::Duration(word) => write!(
                f,
                "{word:?} is no time above zero such as \"for=1h30m\"; without it a rule does not end"
            ),
            Self::Time(word) => write!(
                f,
                "{word:?} is no time in UTC such as \"until=2030-01-31T12:00:00Z\""
            ),
            Self::Surplus(word) => write!(
                f,
                "{word:?} after the prefix is neither \"for=\" nor \"until=\", of which there may be one; a reason begins with \"#\""
            ),
            Self::Contradiction { prefix, line } => {
                write!(f, "the opposite of line {line} about {prefix}")
            }
        }
    }
}
