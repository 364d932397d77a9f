//! How near a hello comes to the one that was wanted, field by field.

mod compare;
mod http2;

use std::error::Error;
use std::fmt;
use std::str::FromStr;

pub use http2::compare_http2;

/// How near a hello comes to the one that was wanted, from the farthest to the nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fidelity {
    /// Not even the cipher suites are the same: a hello of the backend's own.
    Native,
    /// The same cipher suites, in whatever order: the second part of the JA4 is equal.
    CiphersOnly,
    /// The JA4 is equal.
    Ja4Equal,
    /// The JA4 and the JA3 are equal; the JA3 with sorted extensions where the client permutes them.
    Ja3Equal,
    /// Nothing differs but what the client itself varies.
    Exact,
}

impl Fidelity {
    /// All grades, the farthest first.
    pub const ALL: [Self; 5] = [
        Self::Native,
        Self::CiphersOnly,
        Self::Ja4Equal,
        Self::Ja3Equal,
        Self::Exact,
    ];

    /// The name, such as `ja4-equal`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::CiphersOnly => "ciphers-only",
            Self::Ja4Equal => "ja4-equal",
            Self::Ja3Equal => "ja3-equal",
            Self::Exact => "exact",
        }
    }
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Fidelity {
    type Err = UnknownFidelity;

    fn from_str(name: &str) -> Result<Self, UnknownFidelity> {
        let found = Self::ALL.into_iter().find(|grade| grade.name() == name);
        found.ok_or_else(|| UnknownFidelity {
            name: name.to_owned(),
        })
    }
}

/// No grade has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFidelity {
    name: String,
}

impl fmt::Display for UnknownFidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Fidelity::ALL.map(Fidelity::name).join(", ");
        write!(f, "no grade named `{}`; there are {names}", self.name)
    }
}

impl Error for UnknownFidelity {}

/// One field of a hello: what was wanted, and what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldReport {
    /// The field: `session_id`, `ciphers`, `extension_order`, or the name of an extension.
    pub field: String,
    /// What was wanted; `absent` for an extension that was not.
    pub wanted: String,
    /// What is sent; `absent` for an extension that is not.
    pub sent: String,
    /// Whether they are the same but for what the client itself varies.
    pub equal: bool,
    /// Why they differ, if the backend says it.
    pub reason: Option<String>,
}

/// A hello beside the one that was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FidelityReport {
    /// The fields, in the order of the wanted hello; then those that only the other one has.
    pub fields: Vec<FieldReport>,
    /// How near it comes.
    pub grade: Fidelity,
}

impl FidelityReport {
    /// Says why `field` differs. Of a field that does not, there is nothing to say.
    #[must_use]
    pub fn with_reason(mut self, field: &str, reason: impl Into<String>) -> Self {
        let differing = self.fields.iter_mut().filter(|report| !report.equal);
        let mut named = differing.filter(|report| report.field == field);
        if let Some(report) = named.next() {
            report.reason = Some(reason.into());
        }
        self
    }

    /// The fields that differ.
    pub fn differences(&self) -> impl Iterator<Item = &FieldReport> {
        self.fields.iter().filter(|report| !report.equal)
    }

    /// The names of the fields that differ, in one line for an error; empty if none does.
    pub fn summary(&self) -> String {
        let names: Vec<&str> = self
            .differences()
            .map(|report| report.field.as_str())
            .collect();
        names.join(", ")
    }
}

/// A table of all fields, and the grade under it.
impl fmt::Display for FidelityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}grade: {}", FieldTable(&self.fields), self.grade)
    }
}

/// Shows fields as a table, a line each.
#[derive(Clone, Copy, Debug)]
pub struct FieldTable<'a>(pub &'a [FieldReport]);

impl fmt::Display for FieldTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 3]> = self.0.iter().map(row).collect();
        let head = ["field", "wanted", "sent"].map(str::to_owned);
        let all = || std::iter::once(&head).chain(&rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max();
        let [name, wanted] = [0, 1].map(|column| width(column).unwrap_or_default());
        for [field, left, right] in all() {
            writeln!(
                f,
                "{}",
                format!("{field:name$}  {left:wanted$}  {right}").trim_end()
            )?;
        }
        Ok(())
    }
}

/// A line of the table: of a list, only where it differs.
fn row(report: &FieldReport) -> [String; 3] {
    let FieldReport {
        field,
        wanted,
        sent,
        equal,
        reason,
    } = report;
    if *equal {
        return [field.clone(), short(wanted), "equal".to_owned()];
    }
    let (wanted, sent) = differing(wanted, sent);
    let sent = match reason {
        Some(reason) => format!("{}  ({reason})", short(&sent)),
        None => short(&sent),
    };
    [field.clone(), short(&wanted), sent]
}

/// Both lists without what they begin and end with in common.
fn differing(one: &str, other: &str) -> (String, String) {
    let (one, other): (Vec<&str>, Vec<&str>) =
        (one.split(", ").collect(), other.split(", ").collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let start = same(&mut one.iter().zip(&other));
    let end = same(&mut one[start..].iter().rev().zip(other[start..].iter().rev()));
    let cut = |list: &[&str]| {
        let middle = list[start..list.len() - end].join(", ");
        let before = if start > 0 { "… " } else { "" };
        let after = if end > 0 { " …" } else { "" };
        format!("{before}{middle}{after}")
    };
    (cut(&one), cut(&other))
}

/// As much as a column of the table takes.
fn short(text: &str) -> String {
    const MOST: usize = 56;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests;
