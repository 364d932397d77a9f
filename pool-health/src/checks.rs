//! The health checks that come with the crate.

use async_trait::async_trait;

use crate::{
    HealthCheck, OptionDoc, Options, OptionsError, Probe, ProbeFacts, ProbeRequest, StatusSet,
    Unhealthy,
};

/// Asks nothing, of no connection: the null check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoCheck;

impl NoCheck {
    /// The name in configuration.
    pub const NAME: &'static str = "none";
    /// It takes no options.
    pub const OPTIONS: &'static [OptionDoc] = &[];

    /// Reads the check from configuration.
    ///
    /// # Errors
    ///
    /// If there is any option.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        Ok(Self)
    }
}

#[async_trait]
impl HealthCheck for NoCheck {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn applies(&self, _: &ProbeFacts) -> bool {
        false
    }

    async fn check(&self, _: &mut dyn Probe) -> Result<(), Unhealthy> {
        Ok(())
    }
}

/// Looks whether the peer has closed the connection, without writing to it.
///
/// Costs nothing and finds every orderly close; a peer that has vanished without a word it does not find.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Liveness;

impl Liveness {
    /// The name in configuration.
    pub const NAME: &'static str = "liveness";
    /// It takes no options.
    pub const OPTIONS: &'static [OptionDoc] = &[];

    /// Reads the check from configuration.
    ///
    /// # Errors
    ///
    /// If there is any option.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        Ok(Self)
    }
}

#[async_trait]
impl HealthCheck for Liveness {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        if probe.is_open() {
            Ok(())
        } else {
            Err(Unhealthy::new("closed"))
        }
    }
}

/// Sends an HTTP/2 PING (RFC 9113, section 6.7): finds a silent peer at the price of 17 bytes. Applies to HTTP/2 only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct H2Ping;

impl H2Ping {
    /// The name in configuration.
    pub const NAME: &'static str = "h2-ping";
    /// It takes no options.
    pub const OPTIONS: &'static [OptionDoc] = &[];

    /// Reads the check from configuration.
    ///
    /// # Errors
    ///
    /// If there is any option.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        Ok(Self)
    }
}

#[async_trait]
impl HealthCheck for H2Ping {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn applies(&self, facts: &ProbeFacts) -> bool {
        facts.multiplexed
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        probe.ping().await?;
        Ok(())
    }
}

/// Sends a request and looks at the status: the only check that knows what the application behind the address thinks.
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
    max_body: usize,
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
            max_body: 64 * 1024,
        }
    }

    /// Reads the check from configuration.
    ///
    /// # Errors
    ///
    /// If a value is not what [`OPTIONS`](Self::OPTIONS) says, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
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
        Ok(check)
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
        if self.accept.contains(response.status) {
            Ok(())
        } else {
            Err(Unhealthy::from_status(response.status))
        }
    }
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
