//! leasehold-node
