//! Changes in the text of a file of rules, which leave its other lines as they are.

use pool_health::{
    AccessAction, AccessRule, IpPrefix, Moment, ParseRulesError, format_rules, parse_rules_as,
};

/// What is to change.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// Rules that come, each in the place of those for its prefix.
    pub(crate) put: Vec<AccessRule>,
    /// Prefixes whose rules go.
    pub(crate) remove: Vec<IpPrefix>,
    /// Whether lines go whose time is over.
    pub(crate) forget_expired: bool,
}

/// A text of rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) text: &'a str,
    pub(crate) unsaid: AccessAction,
    /// When it was written, from which its `for=` count.
    pub(crate) written: Moment,
}

/// A changed text.
#[derive(Debug)]
pub(crate) struct Edited {
    pub(crate) text: String,
    /// How many lines have gone because of [`Edits::remove`].
    pub(crate) removed: usize,
}

/// The text with these changes at `now`.
///
/// Lines with another rule, and comments on lines of their own, stay as they are, with one exception: `for=` becomes `until=`, because it
/// would count anew in a file that is written anew.
///
/// # Errors
///
/// A text that is not read without error is not changed.
pub(crate) fn edit(old: Text<'_>, edits: &Edits, now: Moment) -> Result<Edited, ParseRulesError> {
    let parse = |text| parse_rules_as(old.unsaid, text, old.written);
    parse(old.text)?;
    let (mut text, mut removed) = (String::with_capacity(old.text.len()), 0);
    for line in old.text.split_inclusive('\n') {
        let rules = parse(line)?;
        if let [rule] = &rules[..] {
            if edits.remove.contains(&rule.prefix) {
                removed += 1;
                continue;
            }
            if edits.put.iter().any(|new| new.prefix == rule.prefix) {
                continue;
            }
        }
        // A word stands for several prefixes, and all end together.
        let expires = rules.first().and_then(|rule| rule.expires);
        let is_over = rules.first().is_some_and(|r| r.is_expired(now.instant));
        match (expires.and_then(|_| for_of(line)), is_over) {
            (Some(_), true) => {}
            (None, true) if edits.forget_expired => {}
            (Some(word), false) => {
                let until = until(&rules[0], now).map(|at| format!("until={at}"));
                text += &line.replacen(word, &until.unwrap_or_default(), 1);
            }
            (None, _) => text += line,
        }
    }
    if !edits.put.is_empty() && !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text += &format_rules(&edits.put, now);
    Ok(Edited { text, removed })
}

/// The word that says how long the line's rule holds, counted from when it is read.
fn for_of(line: &str) -> Option<&str> {
    let rule = line.split(['#', ';']).next()?;
    let mut words = rule.split_whitespace();
    words.find(|word| word.starts_with("for="))
}

/// When a rule ends that has not ended yet, in UTC as files say it; `None` if no calendar has it.
pub(crate) fn until(rule: &AccessRule, now: Moment) -> Option<String> {
    let line = format_rules([rule], now);
    let word = line.split_whitespace().nth(2)?;
    word.strip_prefix("until=").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use pool_health::parse_rules;

    use super::*;

    /// 2030-03-17T17:46:40Z.
    fn noon() -> Moment {
        Moment {
            instant: super::super::now().instant,
            utc: UNIX_EPOCH + Duration::from_secs(1_900_000_000),
        }
    }

    fn rule(line: &str, now: Moment) -> AccessRule {
        parse_rules(line, now).unwrap().remove(0)
    }

    /// The text after these changes, an hour after it was written.
    fn edited(text: &str, put: &[&str], remove: &[&str], forget_expired: bool) -> Edited {
        let written = noon();
        let hour = Duration::from_secs(3600);
        let now = Moment {
            instant: written.instant + hour,
            utc: written.utc + hour,
        };
        let edits = Edits {
            put: put.iter().map(|line| rule(line, now)).collect(),
            remove: remove.iter().map(|text| text.parse().unwrap()).collect(),
            forget_expired,
        };
        let old = Text {
            text,
            unsaid: AccessAction::Deny,
            written,
        };
        edit(old, &edits, now).unwrap()
    }

    const FILE: &str = "\
\u{feff}# ours, by hand

deny 192.0.2.1   # keep  my   blanks
192.0.2.2 for=30m
deny 192.0.2.3 for=2h # for=ever
deny private for=2h
allow 192.0.2.4 until=2030-03-17T18:00:00Z
; the end";

    #[test]
    fn what_is_not_meant_stays_as_it_was_and_times_go_on() {
        let edited = edited(FILE, &["192.0.2.9 for=10m # x"], &["192.0.2.1"], false);
        let expected = "\
\u{feff}# ours, by hand

deny 192.0.2.3 until=2030-03-17T19:46:40Z # for=ever
deny private until=2030-03-17T19:46:40Z
allow 192.0.2.4 until=2030-03-17T18:00:00Z
; the end
deny 192.0.2.9 until=2030-03-17T18:56:40Z # x
";
        assert_eq!(edited.text, expected);
        assert_eq!(edited.removed, 1);
    }

    #[test]
    fn a_rule_takes_the_place_of_the_one_for_its_prefix() {
        let text = edited("deny 192.0.2.1 # old\n", &["allow 192.0.2.1"], &[], false).text;
        assert_eq!(text, "allow 192.0.2.1\n");
    }

    #[test]
    fn only_who_asks_for_it_loses_the_lines_that_are_over() {
        let text = "deny 192.0.2.1 until=2030-03-17T18:00:00Z\n# a comment\n";
        assert_eq!(edited(text, &[], &[], false).text, text);
        assert_eq!(edited(text, &[], &[], true).text, "# a comment\n");
    }

    #[test]
    fn what_a_word_stands_for_is_not_removed_by_name() {
        let edited = edited("deny private\r\n", &[], &["10.0.0.0/8"], true);
        assert_eq!(
            (edited.text.as_str(), edited.removed),
            ("deny private\r\n", 0)
        );
    }

    #[test]
    fn a_text_with_a_bad_line_is_not_changed() {
        let old = Text {
            text: "deny 192.0.2.1\nnobody\n",
            unsaid: AccessAction::Deny,
            written: noon(),
        };
        let error = edit(old, &Edits::default(), noon()).unwrap_err();
        assert_eq!(error.errors()[0].line(), 2);
    }
}
