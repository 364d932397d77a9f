//! Names and loopback addresses of the hosts that one origin plays.

use std::net::{Ipv4Addr, SocketAddr};

const DOMAIN: &str = ".bench.test";

/// The name of a host; one certificate is good for all.
pub fn name_of(host: usize) -> String {
    format!("h{host}{DOMAIN}")
}

/// The host that a name is of.
pub fn host_of(name: &str) -> Option<usize> {
    name.strip_suffix(DOMAIN)?.strip_prefix('h')?.parse().ok()
}

/// Where a host listens: an address of its own, so that ports do not run out.
pub fn addr_of(host: usize, port: u16) -> SocketAddr {
    let [_, b, c, d] = u32::try_from(host + 1)
        .expect("there are fewer hosts than addresses")
        .to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, b, c, d), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_host() {
        assert_eq!(host_of(&name_of(10_000)), Some(10_000));
        assert_eq!(host_of("h.bench.test"), None);
        assert_eq!(host_of("h1.example.com"), None);
    }

    #[test]
    fn hosts_have_addresses_of_their_own() {
        assert_eq!(addr_of(0, 1).to_string(), "127.0.0.1:1");
        assert_eq!(addr_of(299, 1).to_string(), "127.0.1.44:1");
        assert_ne!(addr_of(65_535, 1), addr_of(0, 1));
    }
}
