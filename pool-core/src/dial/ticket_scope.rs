//! Which connections may share TLS session tickets.

use crate::key::{Key, SourceClass};

/// Who may resume whose TLS sessions, besides what the TLS backend itself keeps apart (name, configuration, profile).
///
/// A ticket tells the server that two connections belong together, so tenants and sources never share one. Every part is
/// tagged, and names carry their length: no name can imitate another part.
pub(crate) fn ticket_scope(key: &Key) -> String {
    let partition = match key.partition_id().name() {
        Some(name) => format!("tenant {} {name}", name.len()),
        None => "common".to_owned(),
    };
    let source = match key.source_class() {
        SourceClass::Any => "any".to_owned(),
        SourceClass::Named(name) => format!("set {} {name}", name.len()),
        SourceClass::Exact(ip) => format!("ip {ip}"),
    };
    format!("port {}; {partition}; {source}", key.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Partition, Scheme};

    #[test]
    fn keys_that_must_not_share_tickets_have_different_scopes() {
        let base = || Key::new(Scheme::Https, "a.test", 443);
        let keys = [
            base(),
            Key::new(Scheme::Https, "a.test", 444),
            base().partition(Partition::named("a")),
            base().partition(Partition::named("")),
            base().partition(Partition::named("a; set 6 b")),
            base()
                .partition(Partition::named("a"))
                .source(SourceClass::Named("b".into())),
            base()
                .partition(Partition::named("a"))
                .source(SourceClass::Named("b; any".into())),
            base().source(SourceClass::Named("any".into())),
            base().source(SourceClass::Named("127.0.2.1".into())),
            base().source(SourceClass::Exact([127, 0, 2, 1].into())),
        ];
        for (i, a) in keys.iter().enumerate() {
            for (j, b) in keys.iter().enumerate() {
                assert_eq!(
                    ticket_scope(a) == ticket_scope(b),
                    i == j,
                    "{a:?} and {b:?}"
                );
            }
        }
    }
}
