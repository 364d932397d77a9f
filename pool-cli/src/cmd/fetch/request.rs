//! What all requests have in common: the method, headers and body of the command line.

use std::io::Read;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

use super::input::{Job, parse_header, parse_method};
use crate::args::FetchArgs;
use crate::exit::Failure;
use crate::output::is_dash;

/// The request that a job changes.
#[derive(Debug)]
pub(super) struct Template {
    method: Option<Method>,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Template {
    /// From `-X`, `-H` and `-d`, and this program's `accept` and `user-agent` if it is to be `named`.
    ///
    /// # Errors
    ///
    /// If one of them is malformed, or the file of `-d` cannot be read.
    pub(super) fn new(args: &FetchArgs, named: bool) -> Result<Self, Failure> {
        let method = args.method.as_deref().map(parse_method).transpose();
        let method = method.map_err(|message| {
            Failure::usage(message, "give a method such as GET or POST after -X")
        })?;
        let body = body(args)?;
        let mut headers = HeaderMap::new();
        if named {
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
            headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        }
        if body.is_some() {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(CONTENT_TYPE, form);
        }
        merge(&mut headers, &args.headers)?;
        Ok(Self {
            method,
            headers,
            body,
        })
    }

    /// The request for one job: what the job says goes before what the command line says.
    pub(super) fn request(&self, job: Job) -> Request<Bytes> {
        let own_body = job.body.is_some();
        let body = job.body.or_else(|| self.body.clone());
        let method = job.method.or_else(|| self.method.clone());
        let method = method.unwrap_or(match body {
            Some(_) => Method::POST,
            None => Method::GET,
        });
        let mut headers = self.headers.clone();
        if own_body && self.body.is_some() {
            // It described the body that this job replaces.
            headers.remove(CONTENT_TYPE);
        }
        for (name, value) in job.headers {
            headers.insert(name, value);
        }
        let mut request = Request::new(body.unwrap_or_default());
        *request.method_mut() = method;
        *request.uri_mut() = job.uri;
        *request.headers_mut() = headers;
        request
    }
}

/// The product that requests name unless they say otherwise.
const PRODUCT: &str = concat!("pool/", env!("CARGO_PKG_VERSION"));

/// `Name: value` sends, `Name:` leaves out, `Name;` sends an empty value, as in curl.
///
/// The first of a name replaces a default; more of them add up.
fn merge(headers: &mut HeaderMap, given: &[String]) -> Result<(), Failure> {
    let mut replaced: Vec<HeaderName> = Vec::new();
    for text in given {
        let refuse = |message| Failure::usage(message, "write headers as -H 'Name: value'");
        let (name, value) = match (text.split_once(':'), text.strip_suffix(';')) {
            (Some((name, value)), _) => (name.trim(), value.trim()),
            (None, Some(name)) => (name.trim(), ""),
            (None, None) => return Err(refuse("a header has no colon".to_owned())),
        };
        let leave_out = value.is_empty() && text.contains(':');
        let (name, value) = parse_header(name, value).map_err(refuse)?;
        if !replaced.contains(&name) {
            headers.remove(&name);
            replaced.push(name.clone());
        }
        if !leave_out {
            headers.append(name, value);
        }
    }
    Ok(())
}

/// All of `-d`, joined by `&` as in curl.
fn body(args: &FetchArgs) -> Result<Option<Bytes>, Failure> {
    if args.data.is_empty() {
        return Ok(None);
    }
    let mut body = Vec::new();
    for (i, data) in args.data.iter().enumerate() {
        if i > 0 {
            body.push(b'&');
        }
        match data.strip_prefix('@') {
            Some(file) => body.extend(data_file(args, file)?),
            None => body.extend_from_slice(data.as_bytes()),
        }
    }
    Ok(Some(body.into()))
}

/// The file without line ends and NULs, as curl's `-d` has it.
fn data_file(args: &FetchArgs, file: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if file == "-" {
        if args.input.as_deref().is_some_and(is_dash) {
            return Err(Failure::usage(
                "-d @- and -i - both want stdin",
                "read one of them from a file",
            ));
        }
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        Failure::usage(
            format!("cannot read the data in {file}: {error}"),
            "give a file after @, or - for stdin",
        )
    })?;
    bytes.retain(|byte| !matches!(byte, b'\n' | b'\r' | 0));
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};
    use crate::cmd::url::parse_url;

    fn template(args: &[&str]) -> Result<Template, Failure> {
        let all = ["pool", "fetch"].iter().chain(args);
        match Args::try_parse_from(all)
            .unwrap_or_else(|e| panic!("{e}"))
            .command
        {
            Command::Fetch(args) => Template::new(&args, true),
            _ => panic!("another command"),
        }
    }

    fn request(args: &[&str]) -> Request<Bytes> {
        template(args).unwrap().request(job())
    }

    fn job() -> Job {
        Job {
            uri: parse_url("https://a.test/").unwrap(),
            method: None,
            headers: Vec::new(),
            body: None,
        }
    }

    #[test]
    fn data_makes_a_form_post_unless_told_otherwise() {
        let plain = request(&[]);
        assert_eq!(plain.method(), Method::GET);
        assert!(
            plain.headers()[USER_AGENT]
                .to_str()
                .unwrap()
                .starts_with("pool/")
        );

        let post = request(&["-d", "a=1", "-d", "b=2"]);
        assert_eq!(post.method(), Method::POST);
        assert_eq!(post.body(), "a=1&b=2");
        assert_eq!(
            post.headers()[CONTENT_TYPE],
            "application/x-www-form-urlencoded"
        );

        let put = request(&[
            "-d",
            "{}",
            "-X",
            "PUT",
            "-H",
            "Content-Type: application/json",
        ]);
        assert_eq!(put.method(), Method::PUT);
        assert_eq!(put.headers()[CONTENT_TYPE], "application/json");
    }

    #[test]
    fn data_from_a_file_loses_its_line_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        std::fs::write(&path, "a=1\r\nb=2\n").unwrap();
        let data = format!("@{}", path.display());
        assert_eq!(request(&["-d", &data]).body(), "a=1b=2");
        let missing = template(&["-d", "@/nowhere/data"]).unwrap_err();
        assert_eq!(missing.exit().code(), 2);
    }

    #[test]
    fn headers_replace_defaults_add_up_and_can_be_left_out() {
        let request = request(&[
            "-H",
            "Accept: a",
            "-H",
            "accept: b",
            "-H",
            "User-Agent:",
            "-H",
            "X-Empty;",
        ]);
        let accept: Vec<_> = request.headers().get_all(ACCEPT).iter().collect();
        assert_eq!(accept, ["a", "b"]);
        assert!(!request.headers().contains_key(USER_AGENT));
        assert_eq!(request.headers()["x-empty"], "");
    }

    #[test]
    fn what_a_line_says_goes_before_the_flags() {
        let template = template(&["-X", "PUT", "-H", "X-A: flag", "-d", "flag"]).unwrap();
        let request = template.request(Job {
            method: Some(Method::PATCH),
            headers: vec![parse_header("x-a", "line").unwrap()],
            body: Some("line".into()),
            ..job()
        });
        assert_eq!(request.method(), Method::PATCH);
        assert_eq!(request.headers()["x-a"], "line");
        assert_eq!(request.body(), "line");
        assert!(!request.headers().contains_key(CONTENT_TYPE));
    }

    #[test]
    fn a_bad_header_is_refused_without_its_value() {
        for header in ["secret", "a b: secret", "a: sec\u{1}ret"] {
            let Err(Failure::Told { exit, message, .. }) = template(&["-H", header]) else {
                panic!("{header:?}");
            };
            assert_eq!(exit.code(), 2);
            assert!(!message.contains("ret"), "{message}");
        }
    }
}
