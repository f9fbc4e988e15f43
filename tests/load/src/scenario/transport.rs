//! Which of a server's doors is used.

use crate::drive::Place;
use crate::limit::hello::Hello;
use crate::setup::Node;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// A Unix socket: without TLS a node has no other door.
    Plain,
    /// TLS 1.3 over loopback TCP.
    Tls,
}

impl Transport {
    pub(super) const BOTH: [Self; 2] = [Self::Plain, Self::Tls];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "TLS",
        }
    }

    pub(super) const fn node(self, node: &Node) -> &Place {
        match self {
            Self::Plain => &node.plain,
            Self::Tls => &node.tls,
        }
    }

    pub(super) const fn hello(self, hello: &Hello) -> &Place {
        match self {
            Self::Plain => &hello.plain,
            Self::Tls => &hello.tls,
        }
    }
}
