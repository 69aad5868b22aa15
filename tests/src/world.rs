//! Relay, agent and local server, started together.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use gantz_agent::calls::{self, Calls, Kept};
use gantz_agent::{Agent, RelayAddress, Trust};
use gantz_audit::Limits;
use gantz_relay::{Access, Domain, Relay, Sockets, TlsConfig};
use gantz_shared::control::{Policy, TokenEntry};
use gantz_shared::token::Token;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::canary;
use crate::link::{Link, Weather};
use crate::logs::{self, Watched};
use crate::origin::Origin;

/// The domain of every test's relay.
pub const DOMAIN: &str = "relay.test";

/// The relay's workers: more than one, as most relays have them.
const WORKERS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// A change to the agent's configuration.
type Change = Box<dyn FnOnce(&mut gantz_agent::Config)>;

/// What is to be started.
pub struct Builder {
    relay: gantz_relay::Config,
    agent: Vec<Change>,
    server: Option<Origin>,
    open: bool,
    calls: Option<Kept>,
    weather: Option<Weather>,
}

/// A relay with a self-signed certificate, kept in memory, that asks for no access key.
pub fn relay() -> Builder {
    logs::watch();
    Builder {
        relay: gantz_relay::Config {
            access: Access::Open,
            workers: WORKERS,
            ..gantz_relay::Config::new(Domain::parse(DOMAIN).unwrap(), TlsConfig::SelfSigned)
        },
        agent: Vec::new(),
        server: None,
        open: false,
        calls: None,
        weather: None,
    }
}

/// What was started. Dropped, everything ends.
pub struct World {
    pub relay: Relay,
    pub agent: Agent,
    pub server: Origin,
    /// Public origin of the tunnel, such as `https://calm-owl-abc123.relay.test:4711`.
    pub url: String,
    /// Its host.
    pub host: String,
    /// The canary of every tunnel, unless it is [`open`](Builder::open).
    pub token: String,
    /// The network between agent and relay, if there [is one](Builder::link).
    pub link: Option<Link>,
    /// Keeps the log of calls, if there [is one](Builder::call_log).
    pub calls: Option<Kept>,
    _watched: Watched,
}

impl Builder {
    /// Changes the relay's configuration.
    pub fn relay_config(mut self, change: impl FnOnce(&mut gantz_relay::Config)) -> Self {
        change(&mut self.relay);
        self
    }

    /// A plain HTTP edge.
    pub fn plain(self) -> Self {
        self.relay_config(|config| config.tls = TlsConfig::Off)
    }

    /// Changes the agent's configuration.
    pub fn agent_config(mut self, change: impl FnOnce(&mut gantz_agent::Config) + 'static) -> Self {
        self.agent.push(Box::new(change));
        self
    }

    /// No token.
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// The agent writes calls down in this file.
    pub fn call_log(mut self, path: &Path, with_arguments: bool, limits: Limits) -> Self {
        let (audit, kept) = calls::open(path, limits).expect("the log of calls opens");
        self.calls = Some(kept);
        self.agent_config(move |config| config.calls = Calls::new(audit, with_arguments))
    }

    /// Agent and relay have a network between them.
    pub fn link(mut self, weather: Weather) -> Self {
        self.weather = Some(weather);
        self
    }

    /// The local server.
    pub fn server(mut self, server: Origin) -> Self {
        self.server = Some(server);
        self
    }

    /// Starts the relay alone.
    pub fn start_relay(self) -> Relay {
        start_relay(self.relay)
    }

    /// Starts everything; the tunnel is open when this returns.
    pub async fn start(self) -> World {
        let server = self.server.expect("a world needs a server");
        let relay = start_relay(self.relay);
        let token = canary::token();
        let target = format!("http://{}", server.address()).parse().unwrap();
        let link = match self.weather {
            Some(weather) => Some(Link::new(relay.agent_addr(), relay.edge_addr(), weather).await),
            None => None,
        };
        let reached = link.as_ref().map_or_else(|| relay.agent_addr(), Link::address);
        let address = RelayAddress { host: "127.0.0.1".into(), port: reached.port() };
        let mut config = gantz_agent::Config::new(address, trust(&relay), target);
        config.access_key = Some(canary::access_key());
        config.policy = if self.open { Policy { open: true, ..Policy::default() } } else { policy(&token) };
        for change in self.agent {
            change(&mut config);
        }
        let agent = Agent::start(config, Arc::new(|_| {})).await.expect("the agent starts");
        let welcome = agent.welcome();
        let url = welcome.url.clone();
        let host = format!("{}.{DOMAIN}", welcome.name);
        World {
            relay,
            agent,
            server,
            url,
            host,
            token: token.reveal().to_owned(),
            link,
            calls: self.calls,
            _watched: Watched,
        }
    }
}

/// A policy with one token that never expires.
pub fn policy(token: &Token) -> Policy {
    let entry = TokenEntry::new("test", token.digest());
    Policy { tokens: vec![entry], ..Policy::default() }
}

/// Believes the relay's own CA.
pub fn trust(relay: &Relay) -> Trust {
    let pem = relay.ca_pem().expect("a self-signed relay");
    Trust::Only(vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()])
}

fn start_relay(config: gantz_relay::Config) -> Relay {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let bind = || TcpListener::bind(any).unwrap();
    let sockets = Sockets {
        edge: vec![bind()],
        agents: gantz_transport::quic::bind(any).unwrap(),
        http: Some(bind()),
        admin: Some(bind()),
        predecessor: None,
    };
    Relay::start(config, sockets).expect("the relay starts")
}

impl World {
    /// A client that resolves the tunnel's name to the relay and trusts its certificate. HTTP/2 where the edge has it.
    pub fn client(&self) -> reqwest::Client {
        crate::client::reqwest(&self.relay, &self.host, false)
    }

    /// As [`client`](Self::client), but HTTP/1.1.
    pub fn http1(&self) -> reqwest::Client {
        crate::client::reqwest(&self.relay, &self.host, true)
    }

    /// A GET without a token.
    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client().get(format!("{}{path}", self.url))
    }

    /// A POST without a token.
    pub fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client().post(format!("{}{path}", self.url))
    }

    /// A byte-level connection to the edge.
    pub async fn raw(&self) -> crate::Raw {
        crate::Raw::connect(&self.relay, &self.host).await
    }
}
