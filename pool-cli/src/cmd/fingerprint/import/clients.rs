//! Hellos, sorted into clients.

use pool_tls::client_hello::ClientHello;
use pool_tls::spec::ClientHelloSpec;
use time::Date;

use crate::output::note;

/// The clients that hellos were seen of.
#[derive(Default)]
pub(super) struct Clients {
    pub(super) groups: Vec<Group>,
    /// Hellos of full handshakes, also those that are in no group.
    pub(super) full: usize,
    pub(super) resumed: usize,
    /// Why the first of the hellos that no profile has words for is one, and how many there are.
    unsaid: Option<(String, usize)>,
    /// Hellos of more clients than are kept apart.
    beyond: usize,
}

/// Hellos that differ only in what a client varies.
pub(super) struct Group {
    pub(super) hellos: Vec<ClientHello>,
    /// The day of the first one.
    pub(super) date: Option<Date>,
}

impl Group {
    /// Whether the hello may be of the same client.
    fn fits(&self, hello: &ClientHello) -> bool {
        let same = |hellos: &[ClientHello]| ClientHelloSpec::from_hellos(hellos).is_ok();
        let first = &self.hellos[0];
        // Most clients are told apart by one of their hellos. The others have a say too: what the first two vary makes a
        // third one's order right or wrong.
        same(&[first.clone(), hello.clone()])
            && same(&[self.hellos.as_slice(), std::slice::from_ref(hello)].concat())
    }
}

/// Hellos that a profile is made of: what varies has shown by then.
const HELLOS: usize = 32;

/// Clients that are kept apart.
const CLIENTS: usize = 32;

impl Clients {
    pub(super) fn add(&mut self, hello: ClientHello, date: Option<Date>) {
        if hello.resumes() {
            self.resumed += 1;
            return;
        }
        self.full += 1;
        if let Err(error) = ClientHelloSpec::from_hellos(std::slice::from_ref(&hello)) {
            let (_, count) = self.unsaid.get_or_insert_with(|| (error.to_string(), 0));
            *count += 1;
            return;
        }
        if let Some(group) = self.groups.iter_mut().find(|group| group.fits(&hello)) {
            if group.hellos.len() < HELLOS {
                group.hellos.push(hello);
            }
            return;
        }
        if self.groups.len() == CLIENTS {
            self.beyond += 1;
            return;
        }
        self.groups.push(Group {
            hellos: vec![hello],
            date,
        });
    }

    /// Says what is in no profile.
    pub(super) fn tell(&self) {
        if self.resumed > 0 {
            note(&format!(
                "{} hellos resume a session and are left out",
                self.resumed
            ));
        }
        if let Some((why, count)) = &self.unsaid {
            note(&format!("{count} hellos are left out: {why}"));
        }
        if self.beyond > 0 {
            note(&format!(
                "{} hellos are left out: they are of more than {CLIENTS} clients",
                self.beyond
            ));
        }
    }
}
