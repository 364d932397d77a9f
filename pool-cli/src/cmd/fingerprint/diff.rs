//! `pool fingerprint diff`: two profiles, field by field.

use pool_tls::fidelity::FieldTable;
use serde::Serialize;

use super::fields::{Field, compare};
use super::source;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Versioned};

#[derive(Serialize)]
struct Diff<'a> {
    wanted: &'a str,
    sent: &'a str,
    equal: bool,
    fields: Vec<Field<'a>>,
}

/// Compares `left`, the wanted one, with `right`. What a client varies from one connection to the next is no difference.
pub(super) fn run(left: &str, right: &str, json: bool) -> Result<Exit, Failure> {
    let (wanted, sent) = (source::profile(left)?, source::profile(right)?);
    let fields = compare(&wanted, &sent);
    let equal = fields.iter().all(|field| field.equal);
    let mut stdout = Output::stdout();
    if json {
        stdout.json(&Versioned::new(Diff {
            wanted: left,
            sent: right,
            equal,
            fields: fields.iter().map(Field::from).collect(),
        }))?;
    } else {
        let differing: Vec<_> = fields
            .iter()
            .filter(|field| !field.equal)
            .cloned()
            .collect();
        if equal {
            stdout.line(&format!(
                "{left} and {right}: {} fields, all equal",
                fields.len()
            ))?;
        } else {
            stdout.line(&format!("wanted: {left}\nsent:   {right}\n"))?;
            stdout.write(FieldTable(&differing).to_string().as_bytes())?;
            stdout.line(&format!(
                "\n{} of {} fields differ",
                differing.len(),
                fields.len()
            ))?;
        }
    }
    Ok(if equal {
        Exit::AllGood
    } else {
        Exit::SomeFailed
    })
}
