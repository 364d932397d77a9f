//! `pool fingerprint list`: the profiles that come with this program.

use std::sync::Arc;

use pool_tls::spec::Profile;
use serde::Serialize;

use super::backend::connector;
use crate::exit::{Exit, Failure, chain};
use crate::output::{Output, Versioned};

#[derive(Serialize)]
struct Listed {
    profiles: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    /// `null` for the backend's own hello.
    client: Option<String>,
    captured: Option<String>,
    ja4: Option<String>,
    /// How near this build comes; `null` for the backend's own hello, which is what it is.
    grade: Option<&'static str>,
}

/// Prints every built-in profile, and how near this build can come.
pub(super) fn run(json: bool) -> Result<Exit, Failure> {
    let connector = connector()?;
    let mut profiles = Vec::new();
    for name in Profile::built_in_names() {
        let profile = Profile::built_in(name)
            .map_err(|error| Failure::usage(chain(&error), "this is a fault of this program"))?;
        let profile = Arc::new(profile);
        let plan = connector.plan(&profile);
        let grade = plan.as_ref().ok().and_then(|plan| plan.report());
        profiles.push(Row {
            name,
            client: profile.captured.as_ref().map(|it| it.client.clone()),
            captured: profile.captured.as_ref().map(|it| it.date.clone()),
            ja4: profile.hello.as_ref().map(|hello| hello.ja4().to_string()),
            grade: grade.map(|report| report.grade.name()),
        });
    }
    let mut stdout = Output::stdout();
    if json {
        stdout.json(&Versioned::new(Listed { profiles }))?;
        return Ok(Exit::AllGood);
    }
    stdout.line(&format!(
        "{:<18} {:<26} {:<12} {:<38} this build",
        "name", "client", "captured", "JA4"
    ))?;
    for row in profiles {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        stdout.line(&format!(
            "{:<18} {:<26} {:<12} {:<38} {}",
            row.name,
            row.client
                .unwrap_or_else(|| "the TLS backend itself".into()),
            or_dash(row.captured),
            or_dash(row.ja4),
            row.grade.unwrap_or("its own hello"),
        ))?;
    }
    Ok(Exit::AllGood)
}
