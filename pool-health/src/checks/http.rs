//! A request whose response must be right.

use async_trait::async_trait;

use super::When;
use crate::{
    HealthCheck, OptionDoc, Options, OptionsError, Probe, ProbeRequest, ProbeResponse, StatusSet,
    Unhealthy,
};

/// Sends a request and looks at the response: the only check that knows what the application behind the address thinks.
///
/// ```
/// use pool_health::{HttpCheck, StatusSet};
///
/// let check = HttpCheck::new("/healthz")
///     .method("HEAD")
///     .header("x-probe", "pool")
///     .accept(StatusSet::range(200, 299));
/// # let _ = check;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    accept: StatusSet,
    expect: Vec<(String, String)>,
    max_body: usize,
    body: BodyRule,
}

/// What the body must be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct BodyRule {
    min: usize,
    /// Whether one that is longer than what is read is bad.
    whole: bool,
    contains: String,
    fnv1a: Option<u64>,
}

impl HttpCheck {
    /// The name in configuration.
    pub const NAME: &'static str = "http";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc::new("method", "the request's method", Some("GET")),
        OptionDoc::new("path", "the request's path, with query if any", Some("/")),
        OptionDoc::new("accept", "the statuses that are healthy", Some("200-399")),
        OptionDoc::new(
            "max_body",
            "bytes of the body to read at most",
            Some("65536"),
        ),
        OptionDoc::new(
            "longer_body",
            "\"cut\" or \"refuse\" a body that is longer",
            Some("cut"),
        ),
        OptionDoc::new(
            "min_body",
            "bytes that the body must have at least",
            Some("0"),
        ),
        OptionDoc::new("contains", "text that the body must contain", Some("")),
        OptionDoc::new(
            "body_hash",
            "the FNV-1a hash of what is read of the body, as 16 hexadecimal digits; a wrong one is answered with the right one",
            Some(""),
        ),
        OptionDoc::new(
            "expect.*",
            "text that the response header named after the dot must contain",
            Some(""),
        ),
        When::<Self>::EVERY,
        When::<Self>::AFTER_IDLE,
        OptionDoc::new(
            "header.*",
            "a request header, named after the dot",
            Some(""),
        ),
    ];

    /// A `GET` of `path` that accepts 200 to 399, and reads up to 64 KiB of the body.
    ///
    /// # Panics
    ///
    /// If `path` does not begin with `/` or contains a blank, a `#` or anything but visible ASCII.
    pub fn new(path: impl Into<String>) -> Self {
        let path = path.into();
        assert!(is_path(&path), "{PATH}, not {path:?}");
        Self {
            method: "GET".to_owned(),
            path,
            headers: Vec::new(),
            accept: StatusSet::default(),
            expect: Vec::new(),
            max_body: 64 * 1024,
            body: BodyRule::default(),
        }
    }

    /// Reads the check from configuration.
    ///
    /// # Errors
    ///
    /// If a value is not what [`OPTIONS`](Self::OPTIONS) says, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<When<Self>, OptionsError> {
        options.finish(Self::OPTIONS)?;
        let path = options.text("path").unwrap_or("/");
        options.ensure("path", is_path(path), PATH)?;
        let mut check = Self::new(path);
        if let Some(method) = options.text("method") {
            options.ensure("method", is_token(method), METHOD)?;
            check = check.method(method);
        }
        if let Some(accept) = options.status_set("accept")? {
            check = check.accept(accept);
        }
        if let Some(max_body) = options.number("max_body")? {
            check = check.max_body(max_body);
        }
        for (name, value) in options.with_prefix("header.") {
            let key = format!("header.{name}");
            options.ensure(&key, is_header(name, value), HEADER)?;
            check = check.header(name, value);
        }
        for (name, value) in options.with_prefix("expect.") {
            let key = format!("expect.{name}");
            options.ensure(&key, is_header(name, value), HEADER)?;
            check = check.expect_header(name, value);
        }
        match options.text("longer_body") {
            None | Some("cut") => {}
            refuse => {
                options.ensure(
                    "longer_body",
                    refuse == Some("refuse"),
                    r#""cut" or "refuse""#,
                )?;
                check = check.refuse_longer();
            }
        }
        if let Some(bytes) = options.number("min_body")? {
            check = check.min_body(bytes);
        }
        if let Some(text) = options.text("contains") {
            check = check.body_contains(text);
        }
        if let Some(text) = options.text("body_hash").filter(|text| !text.is_empty()) {
            let hash = u64::from_str_radix(text, 16).ok();
            let hash = hash.filter(|_| text.len() == 16 && !text.starts_with('+'));
            let hash = hash
                .ok_or_else(|| OptionsError::invalid("body_hash", text, "16 hexadecimal digits"))?;
            check = check.body_hash(hash);
        }
        When::from_options(check, options)
    }

    /// Sets the method.
    ///
    /// # Panics
    ///
    /// If it is not a token (RFC 9110, section 5.6.2).
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = method.into();
        assert!(is_token(&self.method), "{METHOD}, not {:?}", self.method);
        self
    }

    /// Adds a header; the host is there without it.
    ///
    /// # Panics
    ///
    /// If the name is not a token or the value has a control character in it.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        assert!(
            is_header(&name, &value),
            "{HEADER}, not {name:?}: {value:?}"
        );
        self.headers.push((name, value));
        self
    }

    /// Sets the statuses that are healthy.
    #[must_use]
    pub fn accept(mut self, statuses: StatusSet) -> Self {
        self.accept = statuses;
        self
    }

    /// Wants a response header that contains `text`: healthy only if any of that name does. Names in any case; more calls, more wishes.
    ///
    /// # Panics
    ///
    /// If the name is not a token or the text has a control character in it.
    #[must_use]
    pub fn expect_header(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        let (name, text) = (name.into(), text.into());
        assert!(is_header(&name, &text), "{HEADER}, not {name:?}: {text:?}");
        self.expect.push((name.to_ascii_lowercase(), text));
        self
    }

    /// Wants a body of at least so many bytes: an empty page is no page. They must be among those that are read.
    #[must_use]
    pub fn min_body(mut self, bytes: usize) -> Self {
        self.body.min = bytes;
        self
    }

    /// Finds a body that is longer than [`max_body`](Self::max_body) unhealthy, instead of looking at its beginning.
    #[must_use]
    pub fn refuse_longer(mut self) -> Self {
        self.body.whole = true;
        self
    }

    /// Wants `text` in what is read of the body.
    #[must_use]
    pub fn body_contains(mut self, text: impl Into<String>) -> Self {
        self.body.contains = text.into();
        self
    }

    /// Wants what is read of the body to have this FNV-1a hash of 64 bits: the very page, byte by byte. Not proof against who wants to deceive.
    ///
    /// The error of a body that has another hash says which.
    #[must_use]
    pub fn body_hash(mut self, fnv1a: u64) -> Self {
        self.body.fnv1a = Some(fnv1a);
        self
    }

    /// Sets how many bytes of the body to read: see [`ProbeRequest::max_body`].
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }
}

#[async_trait]
impl HealthCheck for HttpCheck {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let request = ProbeRequest::new(&self.method, &self.path)
            .headers(&headers)
            .max_body(self.max_body);
        let response = probe.request(&request).await?;
        if !self.accept.contains(response.status) {
            return Err(Unhealthy::from_status(response.status));
        }
        for (name, text) in &self.expect {
            let mut fields = response.headers.iter().filter(|(own, _)| own == name);
            if !fields.any(|(_, value)| contains(value, text.as_bytes())) {
                let wanted = format!("no header {name:?} contains {text:?}");
                return Err(Unhealthy::new("header").with_source(wanted));
            }
        }
        let wrong = self.body.wrong(&response);
        wrong.map_or(Ok(()), |wrong| {
            Err(Unhealthy::new("body").with_source(wrong))
        })
    }
}

impl BodyRule {
    /// What is wrong with the body, if anything is.
    fn wrong(&self, response: &ProbeResponse) -> Option<String> {
        let body = &response.body;
        let length = body.len();
        if self.whole && response.cut {
            return Some(format!("it is longer than {length} bytes"));
        }
        if length < self.min {
            return Some(format!("{length} of {} bytes", self.min));
        }
        if !contains(body, self.contains.as_bytes()) {
            return Some(format!("it does not contain {:?}", self.contains));
        }
        let hash = fnv1a(body);
        let wanted = self.fnv1a.filter(|&wanted| wanted != hash);
        wanted.map(|wanted| format!("its hash is {hash:016x}, not {wanted:016x}"))
    }
}

/// Whether the bytes have these others in them.
fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The hash of Fowler, Noll and Vo, 64 bits, variant 1a.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn is_path(path: &str) -> bool {
    // A fragment never goes to a server.
    path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_header(name: &str, value: &str) -> bool {
    is_token(name) && !value.chars().any(|c| c.is_control() && c != '\t')
}

const PATH: &str = "a path that begins with \"/\", in visible ASCII, without \"#\"";
const METHOD: &str = "an HTTP method";
const HEADER: &str = "a header name and a value without control characters";
