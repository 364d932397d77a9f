//! `pool fingerprint verify`: what this program really sends under a profile.

mod against;
mod opening;

use std::sync::Arc;

use pool_tls::fidelity::{Fidelity, FieldReport, FieldTable};
use pool_tls::spec::Profile;
use pool_tls::{Plan, TlsConnector, self_check};
use serde::Serialize;

use self::against::{Answer, fetch};
use super::backend::connector;
use super::fields::{Field, compare_headers, compare_openings};
use super::source;
use crate::cmd::process::runtime;
use crate::exit::{Exit, Failure, chain};
use crate::output::{Output, Versioned};

/// Hellos that are sent and read back: enough to see what a client varies.
const HELLOS: usize = 8;

#[derive(Serialize)]
struct Verified<'a> {
    profile: &'a str,
    /// How near the hello comes; `null` for the backend's own, with which nothing is compared.
    grade: Option<&'static str>,
    /// Whether nothing differs: not in the hello, the HTTP/2 opening, or the headers.
    exact: bool,
    fields: Vec<Field<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Answer>,
}

/// Sends hellos, and an HTTP/2 request, to listeners in this process, and compares what came with the profile.
pub(super) fn run(name: &str, against: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let profile = Arc::new(source::profile(name)?);
    let connector = connector()?;
    let plan = connector.plan(&profile).map_err(|error| {
        Failure::item(
            chain(&error),
            "`pool fingerprint show` prints what the profile asks for",
        )
    })?;
    let runtime = runtime()?;
    let (grade, fields) = runtime.block_on(compare(&profile, connector.as_ref(), &plan))?;
    let exact = fields.iter().all(|field| field.equal);
    let answer = match against {
        Some(url) => Some(runtime.block_on(fetch(url, &profile))?),
        None => None,
    };
    let answered = answer.as_ref().is_none_or(|answer| answer.error.is_none());
    let mut stdout = Output::stdout();
    if json {
        stdout.json(&Versioned::new(Verified {
            profile: profile.id.as_str(),
            grade: grade.map(Fidelity::name),
            exact,
            fields: fields.iter().map(Field::from).collect(),
            against: answer,
        }))?;
    } else {
        stdout.write(text(&profile, grade, &fields, answer.as_ref()).as_bytes())?;
    }
    Ok(if exact && answered {
        Exit::AllGood
    } else {
        Exit::SomeFailed
    })
}

async fn compare(
    profile: &Arc<Profile>,
    connector: &dyn TlsConnector,
    plan: &Plan,
) -> Result<(Option<Fidelity>, Vec<FieldReport>), Failure> {
    let sent = self_check(connector, plan, HELLOS).await.map_err(|error| {
        Failure::item(
            format!("no hello to compare: {}", chain(&error)),
            "this is a fault of the TLS backend",
        )
    })?;
    let mut grade = None;
    let mut fields = Vec::new();
    if let Some(mut report) = sent {
        // What came is measured here; why, only the backend knows.
        for field in plan
            .report()
            .into_iter()
            .flat_map(|report| report.differences())
        {
            if let Some(reason) = &field.reason {
                report = report.with_reason(&field.field, reason.as_str());
            }
        }
        grade = Some(report.grade);
        fields = report.fields;
    }
    if profile.http2.is_some() {
        let opening = opening::sent(profile, plan).await?;
        fields.extend(compare_openings(
            profile.http2.as_ref(),
            Some(&opening.http2),
        ));
        let mut headers = compare_headers(&profile.headers, &opening.headers);
        if !plan.is_faithful() {
            for field in headers.iter_mut().filter(|field| !field.equal) {
                field.reason = Some("sent only over a hello that is the client's own".into());
            }
        }
        fields.extend(headers);
    }
    Ok((grade, fields))
}

fn text(
    profile: &Profile,
    grade: Option<Fidelity>,
    fields: &[FieldReport],
    answer: Option<&Answer>,
) -> String {
    let mut text = String::new();
    match grade {
        None => text.push_str("the TLS backend's own hello: there is nothing to compare it with\n"),
        Some(grade) => {
            text.push_str(&FieldTable(fields).to_string());
            let differing = fields.iter().filter(|field| !field.equal).count();
            text.push_str(&format!(
                "\n{}: {HELLOS} hellos, {} of {} fields equal, grade {grade}\n",
                profile.id,
                fields.len() - differing,
                fields.len(),
            ));
        }
    }
    if let Some(answer) = answer {
        text.push_str(&answer.to_string());
    }
    text
}
