//! A real request under a profile.

use std::fmt;
use std::sync::Arc;

use pool_core::Pool;
use pool_tls::Fixed;
use pool_tls::spec::Profile;
use serde::Serialize;

use crate::exit::{Failure, chain};

/// How a server took it.
#[derive(Serialize)]
pub(super) struct Answer {
    url: String,
    /// `null` if there was no response.
    status: Option<u16>,
    proto: Option<String>,
    /// How near the hello came that was sent.
    grade: Option<&'static str>,
    pub(super) error: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url,
            status,
            proto,
            grade,
            error,
        } = self;
        match (status, error) {
            (Some(status), _) => {
                let proto = proto.as_deref().unwrap_or("-");
                let grade = grade.unwrap_or("-");
                writeln!(f, "{url}: {status} over {proto}, hello {grade}")
            }
            (None, error) => writeln!(f, "{url}: {}", error.as_deref().unwrap_or("no response")),
        }
    }
}

/// Fetches `url` under the profile, with certificates checked.
///
/// # Errors
///
/// Exit 1 if no pool can be made of the profile. That nothing could be fetched is an [`Answer`] too.
pub(super) async fn fetch(url: &str, profile: &Arc<Profile>) -> Result<Answer, Failure> {
    let pool = Pool::builder()
        .profile(profile.clone())
        .fingerprints(Arc::new(Fixed(profile.id.clone())))
        .build()
        .map_err(|error| Failure::item(chain(&error), "see the fields above"))?;
    let mut answer = Answer {
        url: url.to_owned(),
        status: None,
        proto: None,
        grade: None,
        error: None,
    };
    match pool.get(url).await {
        Ok(response) => {
            let facts = &response.body().conn_info().facts;
            answer.status = Some(response.status().as_u16());
            answer.proto = Some(facts.protocol.to_string());
            answer.grade = facts.fidelity.map(pool_tls::fidelity::Fidelity::name);
        }
        Err(error) => answer.error = Some(chain(&error)),
    }
    Ok(answer)
}
