"""Prefect's saved settings and secrets: which one, with which key."""

from blocks.alert_channels import AlertChannels
from blocks.bar_source import BarSource
from blocks.broker_account import BrokerAccount
from blocks.desk_storage import DeskStorage
from blocks.risk_limits import RiskLimitsBlock

__all__ = ["AlertChannels", "BarSource", "BrokerAccount", "DeskStorage", "RiskLimitsBlock"]
