//! Connectors that break a promise, each of which the conformance check must find.

use async_trait::async_trait;
use pool_tls::{
    BoxedIo, NoTls, Plan, ProfileId, TlsConfigId, TlsConnector, TlsContext, TlsError, TlsSession,
    conformance,
};

use crate::Connector;
use crate::support::{Ca, NAME, Server};

#[tokio::test]
#[should_panic(expected = "has an identity")]
async fn a_connector_without_an_identity_does_not_conform() {
    conformance::connector(&NoTls, NAME, &[], &|| {
        unreachable!("there is nothing to connect")
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "connecting to `example.com` as `native`")]
async fn a_connector_that_takes_the_plan_of_another_does_not_conform() {
    check(Break::Profile).await;
}

#[tokio::test]
#[should_panic(expected = "another scope was resumed")]
async fn a_connector_that_shares_tickets_does_not_conform() {
    check(Break::Scope).await;
}

#[tokio::test]
#[should_panic(expected = "none offered")]
async fn a_connector_that_invents_a_protocol_does_not_conform() {
    check(Break::Alpn).await;
}

#[tokio::test]
#[should_panic(expected = "the identity does not change")]
async fn a_connector_that_is_another_each_time_does_not_conform() {
    check(Break::Identity).await;
}

#[tokio::test]
#[should_panic(expected = "the profile sent is the one asked for")]
async fn a_connector_that_names_another_profile_does_not_conform() {
    check(Break::Report).await;
}

#[tokio::test]
#[should_panic(expected = "the session does not carry bytes")]
async fn a_connector_whose_sessions_are_closed_does_not_conform() {
    check(Break::Session).await;
}

async fn check(broken: Break) {
    let ca = Ca::new();
    let inner = ca.trusted().build().unwrap();
    let server = Server::new(&ca.leaf(&[NAME])).alpn(&[b"http/1.1"]);
    let open = || -> BoxedIo { server.open() };
    conformance::connector(&Broken { inner, broken }, NAME, &[], &open).await;
}

#[derive(Debug)]
enum Break {
    Profile,
    Scope,
    Alpn,
    Identity,
    Report,
    Session,
}

#[derive(Debug)]
struct Broken {
    inner: Connector,
    broken: Break,
}

#[async_trait]
impl TlsConnector for Broken {
    fn config_id(&self) -> TlsConfigId {
        match self.broken {
            Break::Identity => TlsConfigId::unique(),
            _ => self.inner.config_id(),
        }
    }

    async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError> {
        let native = Plan::native(self.inner.config_id());
        let mut cx = *cx;
        match self.broken {
            Break::Profile => cx.plan = &native,
            Break::Scope => cx.scope = "",
            Break::Alpn => cx.alpn = &[b"http/1.1"],
            Break::Identity | Break::Report | Break::Session => {}
        }
        let mut session = self.inner.connect(&cx, io).await?;
        match self.broken {
            Break::Report => session.profile = ProfileId::new("lynx"),
            Break::Session => session.io = Box::new(tokio::io::duplex(1).0),
            _ => {}
        }
        Ok(session)
    }
}
