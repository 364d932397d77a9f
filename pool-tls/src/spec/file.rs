//! Profiles as TOML.

mod code;
mod extension;

use serde::{Deserialize, Serialize};

use super::{
    Captured, ClientHelloSpec, ExtensionOrder, Http2Spec, Profile, PseudoHeader, SpecError,
    StreamPriority,
};
use crate::ProfileId;
use code::{CipherSuite, Header, Http2Setting, Named, Pseudo, SlotName};
use extension::ExtensionFile;

impl Profile {
    /// Reads a profile from TOML, and checks it.
    ///
    /// Code points are names of IANA's registries, or numbers written as `0x1234`.
    ///
    /// # Errors
    ///
    /// The line and the field that is unknown or wrong. Nothing is ignored.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        let fail = |error: toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start);
            let (line, field) = place(text, start);
            SpecError::new(field, error.message()).at_line(line)
        };
        // First of all: a later version may have fields that this one does not know.
        let Version { version } = toml::from_str(text).map_err(fail)?;
        if version != VERSION {
            let problem = format!("is {version}, and this release reads {VERSION}");
            return Err(SpecError::new("version", problem));
        }
        let file: ProfileFile = toml::from_str(text).map_err(fail)?;
        let profile = Self::from(file);
        profile.validate()?;
        Ok(profile)
    }

    /// Writes the profile as TOML, with the names that servers will know it by in comments.
    pub fn to_toml(&self) -> String {
        let mut text = "# A fingerprint profile of pool-tls, in wire order.\n".to_owned();
        if let Some(hello) = &self.hello {
            text += &format!("# JA4: {}\n", hello.ja4());
            text += &match hello.extension_order {
                ExtensionOrder::Fixed => format!("# JA3: {}\n", hello.ja3()),
                ExtensionOrder::Permuted => {
                    format!("# JA3 with sorted extensions: {}\n", hello.ja3_sorted())
                }
            };
        }
        if let Some(http2) = &self.http2 {
            text += &format!("# Akamai: {}\n", http2.akamai());
        }
        text.push('\n');
        let file = ProfileFile::from(self);
        text + &toml::to_string_pretty(&file).expect("every field has a form in TOML")
    }
}

/// In any format of serde, as in the TOML: for output. To read a profile, [`Profile::from_toml`] checks it too.
impl Serialize for Profile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ProfileFile::from(self).serialize(serializer)
    }
}

/// The line at `start`, from 1, and the field that it is about: the last key and the last heading before it.
fn place(text: &str, start: usize) -> (usize, String) {
    let before = text.get(..start).unwrap_or(text);
    let line = 1 + before.matches('\n').count();
    let lines: Vec<&str> = text.lines().take(line).map(str::trim).collect();
    let is_heading = |line: &&&str| line.starts_with('[') && line.ends_with(']');
    let last_heading = lines.iter().rposition(|line| is_heading(&line));
    let inside = &lines[last_heading.map_or(0, |at| at + 1)..];
    let bare = |key: &str| {
        key.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let keys = inside.iter().rev().filter_map(|line| line.split_once('='));
    let key = keys.map(|(key, _)| key.trim()).find(|key| bare(key));
    let heading = last_heading.map(|at| lines[at].trim_matches(['[', ']']));
    let parts = [heading, key];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    match parts.is_empty() {
        true => (line, "profile".to_owned()),
        false => (line, parts.join(".")),
    }
}

/// The version of the format that this release reads and writes.
const VERSION: u32 = 1;

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    version: u32,
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header>,
    #[serde(skip_serializing_if = "Option::is_none")]
    captured: Option<CapturedFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http2: Option<Http2File>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hello: Option<HelloFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CapturedFile {
    client: String,
    date: String,
    source: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HelloFile {
    session_id: bool,
    extension_order: OrderFile,
    ciphers: Vec<SlotName<CipherSuite>>,
    extensions: Vec<ExtensionFile>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OrderFile {
    Fixed,
    Permuted,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Http2File {
    #[serde(skip_serializing_if = "Option::is_none")]
    window_update: Option<u32>,
    first_stream_id: u32,
    pseudo_order: [Pseudo; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_window_update: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<PriorityFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    settings: Vec<SettingFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriorityFile {
    depends_on: u32,
    exclusive: bool,
    weight: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingFile {
    name: Named<Http2Setting>,
    value: u32,
}

impl From<&Profile> for ProfileFile {
    fn from(profile: &Profile) -> Self {
        let headers = profile.headers.iter().cloned();
        Self {
            version: VERSION,
            name: profile.id.as_str().to_owned(),
            headers: headers
                .map(|(name, value)| Header { name, value })
                .collect(),
            captured: profile.captured.clone().map(|captured| CapturedFile {
                client: captured.client,
                date: captured.date,
                source: captured.source,
            }),
            http2: profile.http2.as_ref().map(Http2File::from),
            hello: profile.hello.as_ref().map(HelloFile::from),
        }
    }
}

impl From<ProfileFile> for Profile {
    fn from(file: ProfileFile) -> Self {
        let headers = file.headers.into_iter();
        Self {
            id: match ProfileId::new(&file.name) {
                native if native == ProfileId::native() => ProfileId::native(),
                named => named,
            },
            captured: file.captured.map(|captured| Captured {
                client: captured.client,
                date: captured.date,
                source: captured.source,
            }),
            hello: file.hello.map(ClientHelloSpec::from),
            http2: file.http2.map(Http2Spec::from),
            headers: headers.map(|header| (header.name, header.value)).collect(),
        }
    }
}

impl From<&ClientHelloSpec> for HelloFile {
    fn from(spec: &ClientHelloSpec) -> Self {
        Self {
            session_id: spec.session_id,
            extension_order: match spec.extension_order {
                ExtensionOrder::Fixed => OrderFile::Fixed,
                ExtensionOrder::Permuted => OrderFile::Permuted,
            },
            ciphers: code::names(&spec.ciphers),
            extensions: spec.extensions.iter().map(ExtensionFile::from).collect(),
        }
    }
}

impl From<HelloFile> for ClientHelloSpec {
    fn from(file: HelloFile) -> Self {
        let extensions = file.extensions.into_iter();
        Self {
            session_id: file.session_id,
            ciphers: code::slots(file.ciphers),
            extension_order: match file.extension_order {
                OrderFile::Fixed => ExtensionOrder::Fixed,
                OrderFile::Permuted => ExtensionOrder::Permuted,
            },
            extensions: extensions.map(ExtensionFile::into_spec).collect(),
        }
    }
}

impl From<&Http2Spec> for Http2File {
    fn from(spec: &Http2Spec) -> Self {
        let settings = spec.settings.iter();
        Self {
            window_update: spec.window_update,
            first_stream_id: spec.first_stream_id,
            pseudo_order: spec.pseudo_order.map(Pseudo),
            stream_window_update: spec.stream_window_update,
            priority: spec.priority.map(|priority| PriorityFile {
                depends_on: priority.depends_on,
                exclusive: priority.exclusive,
                weight: priority.weight,
            }),
            settings: settings
                .map(|&(id, value)| SettingFile {
                    name: Named::new(id),
                    value,
                })
                .collect(),
        }
    }
}

impl From<Http2File> for Http2Spec {
    fn from(file: Http2File) -> Self {
        let settings = file.settings.into_iter();
        Self {
            settings: settings
                .map(|setting| (setting.name.code(), setting.value))
                .collect(),
            window_update: file.window_update,
            first_stream_id: file.first_stream_id,
            pseudo_order: file
                .pseudo_order
                .map(|Pseudo(pseudo)| -> PseudoHeader { pseudo }),
            priority: file.priority.map(|priority| StreamPriority {
                depends_on: priority.depends_on,
                exclusive: priority.exclusive,
                weight: priority.weight,
            }),
            stream_window_update: file.stream_window_update,
        }
    }
}
