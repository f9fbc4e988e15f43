//! leasehold-tests
