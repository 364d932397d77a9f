//! `pool fingerprint show`: a client, and what it is called by.

use std::path::Path;

use pool_tls::client_hello::ClientHello;
use pool_tls::fidelity::FidelityReport;
use pool_tls::http2_opening::{Akamai, Http2Opening};
use pool_tls::ja::{Ja3, Ja4};
use pool_tls::spec::{ClientHelloSpec, ExtensionOrder, Profile};
use serde::Serialize;

use super::source;
use crate::exit::{Exit, Failure, chain};
use crate::output::{Output, Versioned};

/// What was given, and its names.
#[derive(Serialize)]
struct Shown {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_hello: Option<HelloNames>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http2: Option<OpeningNames>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
}

/// `null` where it differs from one connection to the next.
#[derive(Serialize)]
struct HelloNames {
    ja3: Option<String>,
    ja3_hash: Option<String>,
    ja3n: String,
    ja3n_hash: String,
    ja4: String,
    ja4_r: String,
}

#[derive(Serialize)]
struct OpeningNames {
    akamai: String,
    akamai_hash: String,
}

impl HelloNames {
    fn new(ja3: Option<&Ja3>, sorted: &Ja3, ja4: &Ja4) -> Self {
        Self {
            ja3: ja3.map(|ja3| ja3.text().to_owned()),
            ja3_hash: ja3.map(Ja3::hash),
            ja3n: sorted.text().to_owned(),
            ja3n_hash: sorted.hash(),
            ja4: ja4.to_string(),
            ja4_r: ja4.raw(),
        }
    }

    fn of_hello(hello: &ClientHello) -> Self {
        Self::new(Some(&hello.ja3()), &hello.ja3_sorted(), &hello.ja4())
    }

    fn of_spec(spec: &ClientHelloSpec) -> Self {
        let fixed = spec.extension_order == ExtensionOrder::Fixed;
        let ja3 = fixed.then(|| spec.ja3());
        Self::new(ja3.as_ref(), &spec.ja3_sorted(), &spec.ja4())
    }
}

impl From<Akamai> for OpeningNames {
    fn from(akamai: Akamai) -> Self {
        Self {
            akamai: akamai.text().to_owned(),
            akamai_hash: akamai.hash(),
        }
    }
}

/// Prints what a profile, a hello or an opening is called by, and what is in it.
pub(super) fn run(what: &str, toml: bool, json: bool) -> Result<Exit, Failure> {
    let (shown, fields) = match captured_bytes(what) {
        Some(bytes) if toml => {
            let _unused = bytes;
            return Err(Failure::usage(
                format!("{what} is no profile"),
                "`pool fingerprint import` makes a profile of captured bytes",
            ));
        }
        Some(bytes) => of_bytes(what, &bytes)?,
        None => {
            let profile = source::profile(what)?;
            if toml {
                Output::stdout().write(profile.to_toml().as_bytes())?;
                return Ok(Exit::AllGood);
            }
            of_profile(profile)
        }
    };
    let mut stdout = Output::stdout();
    if json {
        stdout.json(&Versioned::new(shown))?;
    } else {
        stdout.write(text(&shown, &fields).as_bytes())?;
    }
    Ok(Exit::AllGood)
}

/// The bytes of a file that is a capture, and no text.
fn captured_bytes(what: &str) -> Option<Vec<u8>> {
    let path = Path::new(what);
    if !path.is_file() {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    (bytes.starts_with(HANDSHAKE) || bytes.starts_with(PREFACE)).then_some(bytes)
}

/// A record of the handshake protocol, of any version.
const HANDSHAKE: &[u8] = &[0x16, 3];
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// Names and values, a line each.
type Fields = Vec<(String, String)>;

fn of_bytes(name: &str, bytes: &[u8]) -> Result<(Shown, Fields), Failure> {
    let unreadable = |error: &dyn std::error::Error| {
        Failure::usage(
            format!("{name}: {}", chain(error)),
            "give TLS records from the first byte of a connection, or an HTTP/2 opening",
        )
    };
    let mut shown = Shown {
        name: name.to_owned(),
        client_hello: None,
        http2: None,
        profile: None,
    };
    if bytes.starts_with(PREFACE) {
        let opening = Http2Opening::parse(bytes).map_err(|error| unreadable(&error))?;
        shown.http2 = Some(opening.akamai().into());
        return Ok((shown, Vec::new()));
    }
    let hello = ClientHello::parse(bytes).map_err(|error| unreadable(&error))?;
    shown.client_hello = Some(HelloNames::of_hello(&hello));
    // A resumed hello has names, but makes no profile.
    let spec = ClientHelloSpec::from_hellos(std::slice::from_ref(&hello));
    Ok((shown, spec.map(|spec| fields(&spec)).unwrap_or_default()))
}

fn of_profile(profile: Profile) -> (Shown, Fields) {
    let spec = profile.hello.as_ref();
    let fields = spec.map(fields).unwrap_or_default();
    let shown = Shown {
        name: profile.id.to_string(),
        client_hello: spec.map(HelloNames::of_spec),
        http2: profile.http2.as_ref().map(|http2| http2.akamai().into()),
        profile: Some(profile),
    };
    (shown, fields)
}

/// The fields as a comparison with itself names them.
fn fields(spec: &ClientHelloSpec) -> Fields {
    let report = FidelityReport::compare(spec, spec);
    let fields = report.fields.into_iter();
    fields.map(|field| (field.field, field.wanted)).collect()
}

fn text(shown: &Shown, fields: &Fields) -> String {
    let mut text = format!("{}\n", shown.name);
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<12} {value}\n"));
    if let Some(captured) = shown.profile.as_ref().and_then(|it| it.captured.as_ref()) {
        line("client", &captured.client);
        line(
            "captured",
            &format!("{}, {}", captured.date, captured.source),
        );
    }
    if let Some(names) = &shown.client_hello {
        line("JA4", &names.ja4);
        line("JA4_r", &names.ja4_r);
        match (&names.ja3_hash, &names.ja3) {
            (Some(hash), Some(text)) => {
                line("JA3", hash);
                line("", text);
            }
            _ => line(
                "JA3",
                "another for each connection: the extensions are permuted",
            ),
        }
        line("JA3 sorted", &names.ja3n_hash);
        line("", &names.ja3n);
    }
    if let Some(names) = &shown.http2 {
        line("Akamai", &names.akamai_hash);
        line("", &names.akamai);
    }
    if shown.profile.is_some() && shown.client_hello.is_none() {
        line("hello", "the TLS backend's own");
    }
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    if !fields.is_empty() {
        text.push_str("\nClientHello, in wire order\n");
    }
    for (name, value) in fields {
        text.push_str(&format!("  {name:<width$}  {value}\n"));
    }
    let headers = shown.profile.as_ref().map(|profile| &profile.headers[..]);
    if let Some(headers @ [_, ..]) = headers {
        text.push_str("\nheaders\n");
        for (name, value) in headers {
            text.push_str(&format!("  {name}: {value}\n"));
        }
    }
    text
}
