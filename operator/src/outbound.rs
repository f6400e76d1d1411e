//! Connections to hosts that users name: none to loopback or link-local addresses, and no answer without end.
//!
//! A name is resolved here, and the connection goes to what it was resolved to, so it cannot lead elsewhere in between.
//!
//! `bucket` and `public_url` connect through it. Nothing is below.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use aws_sdk_s3::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef},
    },
    error::BoxError,
    primitives::SdkBody,
};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use axum::http::Uri;
use http_body_util::Limited;

/// Most bytes of an answer that are read.
pub const MOST: usize = 1 << 20;

/// Where connections may lead, and how much of an answer is read.
#[derive(Clone, Copy, Debug)]
pub struct Outbound {
    local: bool,
}

/// An address to which no user may send the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} is {address}: the operator connects to no loopback and no link-local address for others (outbound.localAddresses of its chart)"
)]
pub struct Refused {
    host: String,
    address: IpAddr,
}

impl Outbound {
    /// Connections also to addresses of this machine and its link, if `local`.
    pub fn new(local: bool) -> Self {
        Self { local }
    }

    /// Whether a connection may lead to what `url` names, if that is an address. A name is looked at when it is resolved.
    pub fn check(self, url: &str) -> Result<(), Refused> {
        let uri = url.parse::<Uri>().unwrap_or_default();
        let host = uri.host().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) => self.check_address(host, address),
            Err(_) => Ok(()),
        }
    }

    /// The addresses of `host`.
    async fn resolve(self, host: &str) -> Result<Vec<IpAddr>, BoxError> {
        let addresses: Vec<_> = tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect();
        if addresses.is_empty() {
            return Err(io::Error::other("the name has no address").into());
        }
        // a name with both kinds of addresses is refused
        addresses.iter().try_for_each(|address| self.check_address(host, *address))?;
        Ok(addresses)
    }

    fn check_address(self, host: &str, address: IpAddr) -> Result<(), Refused> {
        if self.local || !is_local(address) { Ok(()) } else { Err(Refused { host: host.to_owned(), address }) }
    }
}

/// Whether `address` is a loopback or link-local address, or one of a cloud's metadata service.
fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local() || address.octets()[0] == 0,
        IpAddr::V6(address) => {
            // fd00:ec2::254 and ::23 are for IPv6 what 169.254.169.254 and 169.254.170.23 are for IPv4
            let of_aws = address.segments()[..2] == [0xfd00, 0x0ec2];
            let inner = embedded(address).is_some_and(|address| is_local(address.into()));
            address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local() || of_aws || inner
        }
    }
}

/// The IPv4 address that a translator makes of an IPv6 address (NAT64, or the old compatible form).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let (prefix, last) = octets.split_at(12);
    let translated = prefix == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0] || prefix == [0; 12];
    last.try_into().ok().filter(|_| translated).map(|last: [u8; 4]| last.into())
}

impl ResolveDns for Outbound {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move { self.resolve(name).await.map_err(ResolveDnsError::new) })
    }
}

impl reqwest::dns::Resolve for Outbound {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let this = *self;
        Box::pin(async move {
            let addresses = Self::resolve(this, name.as_str()).await?;
            let sockets = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as reqwest::dns::Addrs)
        })
    }
}

/// For calls to S3.
impl Intercept for Outbound {
    fn name(&self) -> &'static str {
        "Outbound"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Ok(self.check(context.request().uri())?)
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        *response.body_mut() = SdkBody::from_body_1_x(Limited::new(response.take_body(), MOST));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_of_this_machine_or_its_link_in_any_spelling() {
        let outbound = Outbound::new(false);
        for (url, refused) in [
            ("http://127.0.0.1:9090/x", true),
            ("http://127.8.8.8", true),
            ("http://0.0.0.0", true),
            ("http://169.254.169.254/latest/meta-data", true),
            ("http://[::1]:80", true),
            ("http://[::]", true),
            ("http://[fe80::1]", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://[64:ff9b::a9fe:a9fe]", true),
            ("http://[fd00:ec2::254]", true),
            ("http://198.18.255.1:7480/photos", false),
            ("http://10.0.0.1", false),
            ("https://[2001:db8::1]", false),
            ("https://s3.eu-central-1.amazonaws.com", false),
        ] {
            assert_eq!(outbound.check(url).is_err(), refused, "{url}");
            assert!(Outbound::new(true).check(url).is_ok(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_is_refused_for_what_it_resolves_to() {
        let refused = Outbound::new(false).resolve("localhost").await.unwrap_err();
        assert!(refused.to_string().contains("outbound.localAddresses"), "{refused}");
        assert!(Outbound::new(true).resolve("localhost").await.is_ok());
        // spelled as a number, which only the resolver takes for an address
        assert!(Outbound::new(false).resolve("0x7f000001").await.is_err());
    }
}
