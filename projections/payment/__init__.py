"""Read models of payments."""

from domain.payment.method import PaymentMethodStored
from projections.payment.discrepancies import DISCREPANCIES
from projections.payment.payment_disputes import PAYMENT_DISPUTES
from projections.payment.payment_methods import PAYMENT_METHODS
from projections.payment.payments import PAYMENTS

READ_MODELS = (PAYMENTS, PAYMENT_DISPUTES, DISCREPANCIES, PAYMENT_METHODS)
OPENED = (PaymentMethodStored,)
