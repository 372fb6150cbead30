import psycopg
import pytest
import sqlalchemy

from servers import PASSWORD, create_database


def test_databases_of_the_postgresql_server_are_separate(postgres):
    for name in ("one", "two"):
        with psycopg.connect(create_database(postgres, name)) as connection:
            connection.execute("CREATE TABLE marks (name TEXT)")
            assert connection.execute("SELECT current_database()").fetchone() == (name,)


def test_sqlalchemy_accepts_the_address_of_the_postgresql_server(postgres):
    with sqlalchemy.create_engine(postgres).connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT 1")).scalar() == 1


def test_the_postgresql_server_refuses_another_password(postgres):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.replace(PASSWORD, "shouted"))
