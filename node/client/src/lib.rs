//! leasehold-client
