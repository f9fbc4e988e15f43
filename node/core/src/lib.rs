//! leasehold-node-core
