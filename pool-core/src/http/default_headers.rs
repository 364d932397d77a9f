//! The headers that a profile's client sends by itself.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Headers for requests that do not have them, in the order in which the profile's client sends them.
#[derive(Clone, Debug)]
pub(crate) struct DefaultHeaders(Vec<(HeaderName, HeaderValue)>);

impl DefaultHeaders {
    /// `None` if a name or a value cannot be sent.
    pub(crate) fn new(headers: &[(String, String)]) -> Option<Self> {
        let header = |(name, value): &(String, String)| {
            let name = HeaderName::from_lowercase(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        };
        headers.iter().map(header).collect::<Option<_>>().map(Self)
    }

    /// Puts these headers first, each with the request's own values if it has some, and the request's others after them.
    ///
    /// A second time changes nothing.
    pub(crate) fn complete(&self, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        // Nothing is removed from `own`: that would change the order of the others.
        let mut own = std::mem::take(headers);
        headers.reserve(self.0.len() + own.len());
        for (name, value) in &self.0 {
            let mut values = own.get_all(name).iter().peekable();
            if values.peek().is_none() {
                headers.append(name.clone(), value.clone());
            }
            for value in values {
                headers.append(name.clone(), value.clone());
            }
        }
        let mut last = None;
        for (name, value) in own.drain() {
            let name = name.or(last);
            if let Some(name) = &name
                && !self.0.iter().any(|(default, _)| default == name)
            {
                headers.append(name.clone(), value);
            }
            last = name;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        headers.iter().map(line).collect()
    }

    fn defaults() -> DefaultHeaders {
        let pairs = [
            ("user-agent", "Lynx"),
            ("accept", "*/*"),
            ("priority", "u=0"),
        ];
        DefaultHeaders::new(&pairs.map(|(name, value)| (name.into(), value.into()))).unwrap()
    }

    #[test]
    fn missing_headers_are_filled_in_and_the_others_come_after_in_their_order() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-first", "1"),
            ("accept", "text/html"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("accept", "text/plain"),
            ("x-last", "2"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let expected = [
            "user-agent: Lynx",
            "accept: text/html",
            "accept: text/plain",
            "priority: u=0",
            "x-first: 1",
            "cookie: a=1",
            "cookie: b=2",
            "x-last: 2",
        ];
        for _ in 0..2 {
            defaults().complete(&mut headers);
            assert_eq!(lines(&headers), expected);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (name, value) in [("User-Agent", "x"), ("a b", "x"), ("a", "x\ny")] {
            assert!(DefaultHeaders::new(&[(name.into(), value.into())]).is_none());
        }
    }
}
