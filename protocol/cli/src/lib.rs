//! leasehold-cli
